"""What is seen at both ends of the service: bytes on a socket to a running one, and connections taken from its pool."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from tests.live import LiveServer


@dataclass
class Reply:
    """One answer as it came over the wire; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        document: dict[str, Any] = orjson.loads(self.body)
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["x-request-id"]
        return document


def connect(server: LiveServer, sent: bytes = b"", *, timeout: float = 15) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
    connection.sendall(sent)
    return connection


def request(
    method: str, target: str, *headers: str, token: str = "", json: bytes | None = None, host: str = "kehu", close: bool = True
) -> bytes:
    """The bytes of a request; of the server is asked to close the connection, unless `close` is False."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if json is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(json)}"]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + (json or b"")


def read(connection: socket.socket) -> Reply:
    """The answer, read up to the end of the connection."""
    raw = b""
    while part := connection.recv(65536):
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in fields)}
    return Reply(int(line.split(" ")[1]), headers, body)


def exchange(server: LiveServer, sent: bytes, *, half_close: bool = False) -> Reply:
    """What is answered to `sent` on a connection of its own. `half_close`: no more will come."""
    with connect(server, sent) as connection:
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return read(connection)


def has_answer(connection: socket.socket) -> bool:
    """Whether the server has said something; waits as long as the connection's time-out."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


def logged(server: LiveServer, about: str, count: int) -> list[dict[str, Any]]:
    """The lines of the log that hold `about`, once there are `count` of them: a request's is written after its answer."""
    until = time.monotonic() + 5
    while True:
        lines = [line for line in server.log().splitlines() if about in line]
        if len(lines) >= count or time.monotonic() > until:
            return [orjson.loads(line) for line in lines]
        time.sleep(0.01)


def fastest(call: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> float:
    """Milliseconds of the fastest of some calls, by default of the processor's: what the work costs, whatever else the machine does."""
    took = []
    for _ in range(3):
        start = clock()
        call()
        took.append(clock() - start)
    return min(took) * 1000


def ask(app: Flask, method: str, path: str, **kwargs: Any) -> TestResponse:
    """What the application answers, for what no client of the API would ask; without a token, and not held against the document."""
    # Buffered, so that the answer is closed, and its place in the process free, before the next call.
    return app.test_client().open(path, method=method, buffered=True, **kwargs)


@contextlib.contextmanager
def leases(app: Flask) -> Iterator[list[object]]:
    """Collects the connections that are taken from the pool meanwhile: without one there is no statement."""
    engine = app.extensions["kehu"].database.engine
    taken: list[object] = []

    def note(connection: object, *_: object) -> None:
        taken.append(connection)

    event.listen(engine, "checkout", note)
    try:
        yield taken
    finally:
        event.remove(engine, "checkout", note)
