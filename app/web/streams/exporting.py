"""Rows as a stream: NDJSON, or CSV that spreadsheets open without harm."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import orjson
from flask import Request

from app.core import limits, logs
from app.core.errors import KehuError
from app.db import failures
from app.web.connection import BoundedSocket
from app.web.streams import outgoing
from app.web.streams.negotiation import Kind
from app.web.streams.outgoing import Answering
from app.web.streams.places import Place
from app.web.streams.safe_cells import guarded

# Any: JSON.

_log = logs.get(__name__)

_PIECE_BYTES = 65_536


class ClosableBlocks(Protocol):
    """Rows as JSON objects, some at a time, and what was opened for them."""

    def __iter__(self) -> Iterator[Sequence[str]]: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Rows:
    """What an export gives."""

    blocks: ClosableBlocks
    # Names of members, `a.b` for a member of a member: the columns of CSV, in their order.
    columns: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)


def begin(rows: Rows, kind: Kind, place: Place, request: Request) -> Answering:
    """The answer; the first rows are asked for at once, so that what fails then is still answered by a problem."""
    connection = request.environ.get("gunicorn.socket")
    if isinstance(connection, BoundedSocket):
        connection.patience = limits.STALLED_READER_SECONDS
    pieces = _csv(rows) if kind is Kind.CSV else _ndjson(rows)
    try:
        first = next(pieces, b"")
    except BaseException:
        rows.blocks.close()
        raise
    return Answering(_or_cut(chain((first,), pieces), request), place, rows.blocks)


def _or_cut(pieces: Iterator[bytes], request: Request) -> Iterator[bytes]:
    """`pieces`; where they fail the connection is cut, since an end like any other would pass for the whole."""
    try:
        yield from pieces
    except Exception as error:  # noqa: BLE001  # whatever it is, the answer has begun
        code = error.code if isinstance(error, KehuError) else "internal"
        if isinstance(error, failures.DATABASE_ERRORS) and (told := failures.meaning(error, narrowable=False)) is not None:
            code = told.code
        _log.error("export cut", code=code, exc_info=error)
        outgoing.cut(request)
        # What the server takes for a client that is gone: nothing more is sent, and nothing more to be said about it.
        raise BrokenPipeError(errno.EPIPE, "the export failed") from None


def _ndjson(rows: Rows) -> Iterator[bytes]:
    # No line end stands in JSON that row_to_json wrote.
    for block in rows.blocks:
        if block:
            yield ("\n".join(block) + "\n").encode()


def _csv(rows: Rows) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([guarded(name) for name in rows.columns])
    getters = [_getter(name) for name in rows.columns]
    for row in chain.from_iterable(rows.blocks):
        read = orjson.loads(row)
        writer.writerow([_cell(get(read)) for get in getters])
        if text.tell() >= _PIECE_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _getter(name: str) -> Callable[[Mapping[str, Any]], Any]:
    first, dot, second = name.partition(".")
    if not dot:
        return lambda row: row.get(name)
    return lambda row: (row.get(first) or {}).get(second)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    return orjson.dumps(value).decode()
