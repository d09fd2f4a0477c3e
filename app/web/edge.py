"""The door of the process: request ids, admission, the access log. It stands before Flask, so that nothing gets past it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import orjson

from app.core import logs
from app.web import context, metrics, problems
from app.web.connection import NO_PATIENCE_SECONDS, BoundedSocket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# These answer whatever else goes on, or nobody could see that a process is only busy.
HEALTH_PATHS = frozenset(("/livez", "/readyz", "/metrics"))


class Admission:
    """Lets `limit` requests in at once, so that one thread is always left for health.

    One more may wait for `wait` seconds: in a burst of short requests a place is free within milliseconds, and refusing it would
    answer 503 to callers who come five at a time. Once a wait was in vain the process is full, and says so at once until a place is free.

    The time for which a request waited for its thread counts as waited: else each of a hundred in the queue would wait anew in the one
    thread that is kept, and health behind them all. So nothing stands before it for longer than `wait`.
    """

    def __init__(self, *, limit: int, wait: float) -> None:
        # As many as there are places. A queue, since its waiting is not written in Python as a semaphore's is: where the process is busy
        # every request waits here.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(limit):
            self._places.put(None)
        self._wait = wait
        self._full = False

    def enter(self, *, waited: float = 0.0) -> bool:
        """Whether there is a place; whoever got one has to `leave`. `waited`: for how many seconds already."""
        if self._takes(timeout=0):
            return True
        left = self._wait - waited
        if self._full or left <= 0:
            return False
        if self._takes(timeout=left):
            return True
        self._full = True
        return False

    def leave(self) -> None:
        self._full = False
        self._places.put(None)

    def _takes(self, *, timeout: float) -> bool:
        try:
            self._places.get(block=timeout > 0, timeout=timeout)
        except Empty:
            return False
        return True


class Edge:
    """WSGI middleware around the whole application."""

    def __init__(self, app: WSGIApplication, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        about = context.of_environ(environ)
        environ[context.ENVIRON_KEY] = about
        logs.begin_request(about.request_id)
        answer = _Answer(about, environ.get("REQUEST_METHOD", ""), start_response)
        if not _is_utf8(environ):
            return answer.refuse(HTTPStatus.BAD_REQUEST, "bad_request")
        connection = environ.get("gunicorn.socket")
        if environ.get("PATH_INFO") in HEALTH_PATHS:
            _hurry(connection)
            return answer.of(self._app(environ, answer.start), None)
        if not self._admission.enter(waited=_waited(connection)):
            metrics.TURNED_AWAY.inc()
            _hurry(connection)
            return answer.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "server_busy", ("Retry-After", "1"))
        try:
            return answer.of(self._app(environ, answer.start), self._admission.leave)
        except BaseException:
            self._admission.leave()
            raise


class _Answer:
    """One answer on its way out: closed, counted and logged when its last byte is sent or given up."""

    __slots__ = ("_about", "_body", "_bytes", "_leave", "_method", "_start", "_status")

    def __init__(self, about: context.RequestContext, method: str, start_response: StartResponse) -> None:
        self._about = about
        self._method = method
        self._start = start_response
        self._status = 0
        self._bytes = 0
        self._body: Iterable[bytes] = ()
        self._leave: Callable[[], None] | None = None

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:  # Any: PEP 3333
        self._status = int(status[:3])
        headers.append(("X-Request-Id", self._about.request_id))
        return self._start(status, headers, exc_info)

    def of(self, body: Iterable[bytes], leave: Callable[[], None] | None) -> Iterable[bytes]:
        self._body = body
        self._leave = leave
        return self

    def refuse(self, status: HTTPStatus, code: str, *headers: tuple[str, str]) -> Iterable[bytes]:
        payload = orjson.dumps(problems.document(status, code, request_id=self._about.request_id))
        told = [("Content-Type", problems.MIMETYPE), ("Content-Length", str(len(payload))), ("Cache-Control", "no-store"), *headers]
        self.start(f"{status.value} {status.phrase}", told)
        return self.of([payload] if self._method != "HEAD" else [], None)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            self._bytes += len(part)
            yield part

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            if self._leave is not None:
                self._leave()
            self._tell()

    def _tell(self) -> None:
        seconds = time.monotonic() - self._about.started
        # An unknown address or method is one label, or anybody could fill the memory with names.
        route = self._about.route or "unmatched"
        method = self._method if self._about.route else "-"
        metrics.count_request(method, route, self._status, seconds)
        logs.access(
            method=method,
            route=route,
            status=self._status,
            ms=round(seconds * 1000, 2),
            bytes=self._bytes,
            request_id=self._about.request_id,
            trace_id=self._about.trace_id,
            token_id=self._about.token_id,
        )


def _waited(connection: object) -> float:
    """For how many seconds a request waited for its thread; 0 where the server is not ours."""
    return time.monotonic() - connection.queued_at if isinstance(connection, BoundedSocket) else 0.0


def _hurry(connection: object) -> None:
    """What is answered without a place must not hold the one thread that is kept."""
    if isinstance(connection, BoundedSocket):
        connection.patience = NO_PATIENCE_SECONDS


def _is_utf8(environ: WSGIEnvironment) -> bool:
    """Whether the address says what it says; undecodable bytes would otherwise be replaced in silence."""
    path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
    if path.isascii() and "%" not in query and query.isascii():
        return True
    try:
        # PEP 3333: the bytes of the address, each as one latin-1 character.
        path.encode("latin-1").decode("utf-8")
        unquote_to_bytes(query.encode("latin-1")).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return False
    return True
