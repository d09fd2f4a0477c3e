"""gunicorn's threaded worker, in which a slow client costs no thread and every error is a problem document.

Between clients and this worker there should be a proxy that takes whole requests from slow clients. Where there is none, or where it
passes all through, the stock worker gives a thread to each connection that is opened and says nothing, waits without end for the rest
of a head, and stops altogether for up to two seconds for each connection that its client does not close.
"""

from __future__ import annotations

import errno
import socket
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.web import refusals
from app.web.connection import NO_PATIENCE_SECONDS, PATIENCE_SECONDS, BoundedSocket, Late
from app.web.streams import stopping

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Any: gunicorn has no types.

# From its first byte to its last a request's head has so long.
_HEAD_SECONDS = 5.0
# A head beyond this is read by a thread, which refuses it where it is over gunicorn's limits.
_HEAD_PEEK_BYTES = 16_384

# What is left of a refused request's body is taken so that the connection can be kept; a longer one is not worth it.
_REST_BYTES = 65_536
_REST_SECONDS = 0.05

# How long a client may go on sending after the answer, before the connection is cut and with it perhaps the answer.
_LINGER_SECONDS = 5.0


class ProblemWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Differs from ThreadWorker in how a connection waits for its request and ends, and in how errors are answered."""

    wsgi: WSGIApplication

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Answered for the last time, until the client closes too or its time is over; in the order of their time-outs.
        self._ending: deque[TConn] = deque()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        application = self.wsgi

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
                # Refused without a look at the body. Said in the answer itself, or the client would send its next request in vain.
                if status >= "400" and not _take_rest(environ):
                    start_response.__self__.force_close()  # type: ignore[attr-defined]  # gunicorn's Response
                return start_response(status, headers, *exc_info)

            return application(environ, start)

        self.wsgi = answer

    def accept(self, listener: Any) -> None:
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # The stock worker would end here, and every request in it with it.
                self._make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            # The stock worker would accept nobody until one of them is done.
            self._make_room()
        self._await_head(TConn(self.cfg, BoundedSocket.of(accepted), address, listener.getsockname()))

    def _make_room(self) -> None:
        """For a new connection the one that has said nothing for the longest time gives way."""
        idle = self.pending_conns or self._ending or self.keepalived_conns
        if idle:
            self._drop(idle.popleft())
        else:
            time.sleep(0.01)

    def _await_head(self, conn: TConn) -> None:
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + _HEAD_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        # Closed: it gave way to another one, woken in the same moment.
        if client.fileno() >= 0 and _head_is_here(conn):
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        if client.fileno() < 0:
            return
        if _head_is_here(conn):
            super().on_client_socket_readable(conn, client)
            return
        # The next request has begun: its time counts, no longer that of an idle connection.
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_head(conn)

    def enqueue_req(self, conn: TConn) -> None:
        conn.sock.queued_at = time.monotonic()
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        conn.sock.until = time.monotonic() + _HEAD_SECONDS
        conn.sock.patience = PATIENCE_SECONDS
        conn.sock.both = None
        return super().handle(conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        conn.sock.until = time.monotonic() + _REST_SECONDS
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except Late:
            return False

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        if fs.cancelled() or fs.exception() is not None or not fs.result():
            self._end(conn)
        elif (begun := conn.parser.unreader.buf.getvalue()) and not _is_head(begun):
            # The beginning of the next request came with this one.
            self._await_head(conn)
        else:
            super().finish_request(conn, fs)

    def _end(self, conn: TConn) -> None:
        """Say that no more will come, and wait for the client to say so too: RFC 9112, section 9.6. The stock worker waits in the one
        thread through which everything goes."""
        if conn.sock.cut:
            self._drop(conn)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self._discard, conn))
        except (OSError, ValueError, KeyError):
            self._drop(conn)
            return
        conn.timeout = time.monotonic() + _LINGER_SECONDS
        self._ending.append(conn)

    def _discard(self, conn: TConn, client: BoundedSocket) -> None:
        try:
            if client.discard(_REST_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            self.log.debug("the client reset the connection")
        if conn in self._ending:
            self._ending.remove(conn)
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        with suppress(OSError, ValueError, KeyError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        # Called once, whatever the worker stops for: a signal, or as many requests as it may answer.
        stopping.process.requested = True
        super()._cap_keepalive(deadline)
        for conn in (*self.pending_conns, *self._ending):
            conn.timeout = min(conn.timeout, deadline)

    def murder_pending(self) -> None:
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns.popleft()
            if conn.sock.peeked:
                self.poller.unregister(conn.sock)
                self.handle_error(None, conn.sock, None, Late())
                self._end(conn)
            else:
                self._drop(conn)
        while self._ending and self._ending[0].timeout <= now:
            self._drop(self._ending.popleft())

    def handle_error(self, req: Request | None, client: BoundedSocket, _: object, exc: Exception) -> None:
        refusal = refusals.refusal_of(exc)
        request_id = uuid.uuid4().hex
        # Neither address, line nor headers, nor the exception's own message: each may hold personal data.
        if refusal is refusals.INTERNAL:
            self.log.error("outside the application: %s at %s request_id=%s", type(exc).__qualname__, _origin(exc), request_id)
        else:
            self.log.warning("refused before the application: %s %d request_id=%s", refusal.code, refusal.status, request_id)
        try:
            client.patience = NO_PATIENCE_SECONDS
            client.sendall(refusals.encode(refusal, request_id, with_body=getattr(req, "method", None) != "HEAD"))
        except OSError:
            self.log.debug("the client did not wait for the answer: request_id=%s", request_id)


def _head_is_here(conn: TConn) -> bool:
    """Whether a thread would not have to wait for the client: the whole head is here, or the end, or more than a head may have."""
    if conn.cfg.is_ssl:
        return True
    client = conn.sock
    try:
        coming = client.peek(_HEAD_PEEK_BYTES)
    except BlockingIOError:
        return False
    except OSError:
        return True
    begun = conn.parser.unreader.buf.getvalue() if conn.parser is not None else b""
    # Woken without anything new: the client closed.
    here = len(coming) <= client.peeked or len(begun) + len(coming) >= _HEAD_PEEK_BYTES or _is_head(begun + coming)
    seen = 0 if here else len(coming)
    if seen != client.peeked:
        client.peeked = seen
        client.wake_beyond(seen)
    return here


def _is_head(data: bytes) -> bool:
    # gunicorn refuses bare LF, which it has to see for that.
    return b"\r\n\r\n" in data or b"\n\n" in data


def _take_rest(environ: WSGIEnvironment) -> bool:
    """Whether nothing of the request's body is left on the connection; what came already is taken from it."""
    environ["gunicorn.socket"].until = time.monotonic() + _REST_SECONDS
    left = _REST_BYTES
    try:
        while left > 0:
            part = environ["wsgi.input"].read(left)
            if not part:
                return True
            left -= len(part)
    except (Late, OSError, errors.ParseException):
        return False
    return False


def _origin(exc: Exception) -> str:
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
