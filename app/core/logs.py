"""Logs: one JSON object a line, with ids and never with what a customer or a caller wrote."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def configure() -> None:
    """Send structlog's and the standard library's records to standard error as JSON lines. May be called more than once."""
    shared: list[structlog.typing.Processor] = [
        _with_request_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _frames_without_values,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(_json)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    # alembic tells of every migration at INFO, which is worth a line; its context lines are not.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    # What it tells of a statement that is broken off has the row in it.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    # What no line says need not be found out for each, which takes half of a line's time: the place in the code, and the
    # thread. https://docs.python.org/3/howto/logging.html#optimization
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = False
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def access(**told: object) -> None:
    """The line of an answered request. Written at once: it is whole, and logging would take 30 us of every request to find that out."""
    # As structlog's TimeStamper and its level say it.
    told.update(event="request", level="info", timestamp=f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z")
    # As with all logging, no request fails for want of a log.
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{_json(told)}\n")


def begin_request(request_id: str) -> None:
    """Put the id into every line that this thread writes from now on, until its next request begins."""
    _request_id.set(request_id)


def _with_request_id(_: Any, __: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:  # Any: any logger
    if (request_id := _request_id.get()) is not None:
        record.setdefault("request_id", request_id)
    return record


def get(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def _frames_without_values(_: Any, __: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:  # Any: any logger
    """An exception as its class and frames: its message would quote rows and parameters, which are personal data."""
    told = record.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    error = told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        record["exception"] = f"{type(error).__module__}.{type(error).__qualname__}"
        record["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
        record["sqlstate"] = getattr(getattr(error, "orig", error), "sqlstate", None)
    return record


def _json(record: Any, **_: Any) -> str:  # Any: structlog's own signature
    return orjson.dumps(record, default=repr).decode()
