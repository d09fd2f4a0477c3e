"""Calls whose time is taken, several at once, and what has to be true of an answer in trouble."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Barrier
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, pool

from tests.live import LiveServer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any
    seconds: float

    @property
    def code(self) -> str | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


@dataclass(frozen=True, slots=True)
class Caller:
    """A token's way to a running service."""

    server: LiveServer
    token: str

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, body: Any = None, *, key: str | None = None) -> Answer:
        """A new customer."""
        return self.send("POST", "/v1/customers", {} if body is None else body, key=key)

    def patch(self, path: str, body: Any, *, key: str | None = None) -> Answer:
        return self.send("PATCH", path, body, key=key)

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Idempotency-Key"] = key
        began = time.monotonic()
        status, found, payload = self.server.call(method, path, self.token, body, sent)
        return Answer(status, found, payload, time.monotonic() - began)


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each call gives, in order; all begin at the same moment."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def after(seconds: float, call: Callable[[], T]) -> Callable[[], T]:
    def run() -> T:
        time.sleep(seconds)
        return call()

    return run


def assert_unavailable(answers: Sequence[Answer], *, within: float) -> None:
    """Each is 503 with Retry-After and a problem document, in time."""
    for answer in answers:
        assert answer.status == 503, answer
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.body["status"] == 503
        assert answer.body["type"] == f"urn:kehu:problem:{answer.body['code']}"
        assert answer.body["request_id"] == answer.headers["x-request-id"]
        assert answer.seconds < within, answer


def wait_until(condition: Callable[[], bool], *, within: float = 30.0) -> float:
    """How many seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, "it did not come to pass"
        time.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def session(url: str) -> Any:
    """A connection of somebody else's to the database, past the proxy, in autocommit."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
