"""The frame of every request: what the process has, what a view is given, and how what it returns goes out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from flask import Flask, Request, current_app
from sqlalchemy import Connection

from app.config import Config
from app.core.caller import Caller
from app.core.preconditions import Precondition
from app.db import failures
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.rules.catalogue import Catalogue
from app.web import auth, context, dump, gate, idempotency, problems
from app.web.answers import Answer
from app.web.application import Plain
from app.web.paging import Cursors
from app.web.schemas import Schema

if TYPE_CHECKING:
    # Which knows of streams, and those of us.
    from app.web.streams.crew import Crew


class Positions(Protocol):
    """What the frame needs of `app.changes.positions.Positions`: the text of `(epoch, xid, id)` for a header, and the way back."""

    def text(self, position: tuple[int, int, int]) -> str: ...
    def text_of(self, place: Any) -> str: ...  # Any: a place, which is the changes' own
    def text_of_snapshot(self, epoch: int, snapshot: str) -> str: ...
    def read(self, text: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the frame needs of the process; one per application."""

    config: Config
    database: Database
    look_up: auth.TokenLookUp
    positions: Positions
    cursors: Cursors
    keys: idempotency.Keys
    # What rules may name, by the kind of row that they are about.
    catalogues: Mapping[str, Catalogue]
    # Which segments a custom attribute is named by, told below the feature that knows them.
    attribute_uses: Callable[[Connection, str], Sequence[Mapping[str, object]]]
    # Places for calls that wait for something to happen.
    waiters: threading.Semaphore
    # Places for imports and exports, which may run for hours.
    streams: threading.Semaphore
    # Processes for long imports.
    crew: Crew

    def bounds(self, max_bytes: int | None = None) -> gate.Bounds:
        """Those of a body; `max_bytes` where an operation takes more than others."""
        return gate.Bounds(max_bytes=max(max_bytes or 0, self.config.max_body_bytes), seconds=self.config.body_timeout)


@dataclass(slots=True)
class Read:
    """What a reading view is given beside its arguments."""

    db: Connection
    caller: Caller
    # The insides of the ETags that the caller has answers of.
    known: frozenset[str] = frozenset()


@dataclass(slots=True)
class Write:
    """What a writing view is given beside its arguments; it may be called again in a new unit and must keep nothing."""

    unit: UnitOfWork
    caller: Caller
    precondition: Precondition


def runtime() -> Runtime:
    found: Runtime = current_app.extensions["kehu"]
    return found


def install(app: Flask, here: Runtime) -> None:
    app.extensions["kehu"] = here


def admit(asked: Request, here: Runtime, scopes: Iterable[str]) -> Caller:
    """Who asks, with all `scopes`. Raises Unauthenticated, Forbidden, and 406."""
    caller = auth.caller_of(asked, here.look_up)
    for needed in scopes:
        caller.need(needed)
    gate.check_accept(asked)
    return caller


def respond(result: Answer, status: HTTPStatus, answer: type[Schema] | None) -> Plain:
    if answer is None:
        return Plain(b"", result.status or status, _headers(result))
    payload = dump.to_bytes(dump.compiled(answer)(result.value) if result.dumped is None else result.dumped)
    return Plain(payload, result.status or status, _headers(result), mimetype=gate.JSON)


def not_modified(result: Answer) -> Plain:
    return Plain(b"", HTTPStatus.NOT_MODIFIED, _headers(result))


def _headers(result: Answer) -> dict[str, str]:
    # Personal data: kept by nobody in between, and shown again only after asking whether it is still true.
    headers = {**result.headers, "Cache-Control": "private, no-cache"}
    if result.tag is not None:
        headers["ETag"] = f'"{result.tag}"'
    return headers


def deadline(asked: Request, here: Runtime) -> float:
    """When a request has to be done with the database, on the monotonic clock; what it waited for its caller not counted."""
    about = context.of_request(asked)
    return about.started + about.waited + here.config.request_deadline


def raise_meaning(error: Exception, *, narrowable: bool) -> NoReturn:
    told = failures.meaning(error, narrowable=narrowable)
    if told is None:
        raise error
    problems.tell_database_failure(error, told)
    raise told from error
