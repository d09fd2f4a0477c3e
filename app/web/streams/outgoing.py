"""How the answer of a stream leaves while its body is still arriving.

Most clients send a whole body before they read a byte of the answer. Were results sent as usual, such a client and we would soon wait for
each other: it until we read, we until it reads. So as long as there is body to read nothing waits for the client. What the kernel does
not take at once goes into an outbox, in memory up to a megabyte and on disk beyond, and from there to the client whenever it takes some:
at each further result, and while the reading thread waits for more body. When the body has ended, the client has no reason left not to
read: the outbox is sent with the usual patience. Whoever sends so much that his results fill `limits.OUTBOX_MAX_BYTES` has to read some.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Request

from app.core import limits
from app.web.connection import BoundedSocket, Late, Left
from app.web.streams.places import Place

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_IN_MEMORY_BYTES = 1_048_576
_PIECE_BYTES = 262_144
# The kernel wakes a thread for the client at once; for what another thread wants it looks so often.
_TICK_SECONDS = 0.2
# A client that goes on sending what nobody wants any more is listened to for so long, since it may not read before it is done.
_LISTEN_SECONDS = 20.0
# In the long run a client has to take so much a second.
_SLOWEST_BYTES_PER_SECOND = 20_000


class Outgoing:
    """Both directions of one connection, for two threads: one receives, the other one sends."""

    def __init__(self, connection: BoundedSocket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._kept = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  # closed by `close`
        # Where in the outbox to read on and to write on; all between is still to be sent.
        self._read_at = 0
        self._write_at = 0
        self._left = False
        # Whether there may be more body; whoever reads it says so at its end.
        self.receiving = True
        # Whether the rest of the body is of no use and the client perhaps still sending it.
        self.listening = False
        connection.setblocking(False)
        connection.both = self

    def recv(self, size: int) -> bytes:
        """Waits for the client until `until`, and meanwhile sends it what is kept. Raises Late, Left, OSError."""
        while True:
            try:
                return self._connection.take_now(size)
            except BlockingIOError:
                pass
            if self._left:
                raise Left
            left = self._connection.until - time.monotonic()
            if left <= 0:
                raise Late
            if self._wait(select.POLLIN, min(left, _TICK_SECONDS)) & select.POLLOUT:
                with self._lock:
                    self._pump()

    def leave(self) -> None:
        """End a `recv` that waits, from another thread."""
        self._left = True

    def send(self, data: ReadableBuffer) -> None:
        """Raises BrokenPipeError where the client does not take it, OSError where it is gone or the disk is full."""
        with self._lock:
            self._keep(memoryview(data))
            self._pump()
        if not self.receiving:
            self._drain(0)
        elif self._write_at - self._read_at > limits.OUTBOX_MAX_BYTES:
            self._drain(limits.OUTBOX_MAX_BYTES)

    def close(self) -> None:
        """Nothing more is sent this way; what is kept is thrown away."""
        self._connection.both = None
        self._kept.close()

    def _keep(self, data: memoryview) -> None:
        sent = 0
        if self._read_at == self._write_at:
            try:
                sent = self._connection.give_now(data)
            except BlockingIOError:
                sent = 0
        if sent < data.nbytes:
            self._kept.seek(self._write_at)
            self._kept.write(data[sent:])
            self._write_at += data.nbytes - sent

    def _pump(self) -> int:
        """Sends what the kernel takes of what is kept, and says how much that was."""
        before = self._read_at
        taken = 0
        while self._read_at < self._write_at:
            self._kept.seek(self._read_at)
            piece = self._kept.read(min(_PIECE_BYTES, self._write_at - self._read_at))
            try:
                sent = self._connection.give_now(piece)
            except BlockingIOError:
                break
            self._read_at += sent
            if sent < len(piece):
                break
        taken = self._read_at - before
        if self._read_at == self._write_at and self._write_at:
            # The same place of the disk again.
            self._kept.seek(0)
            self._kept.truncate()
            self._read_at = self._write_at = 0
        return taken

    def _drain(self, down_to: int) -> None:
        """Sends until only `down_to` bytes are kept, as fast as the client takes them."""
        now = time.monotonic()
        listen_until = now + _LISTEN_SECONDS
        owed = 0.0
        while self._write_at - self._read_at > down_to:
            began = now
            heard = self.listening and now < listen_until and self._listen()
            events = select.POLLIN if self.listening and now < listen_until else 0
            if not heard:
                self._wait(events, _TICK_SECONDS)
            with self._lock:
                taken = self._pump()
            now = time.monotonic()
            # What it takes buys time; pauses cost it.
            owed = 0.0 if heard else max(0.0, owed + now - began - taken / _SLOWEST_BYTES_PER_SECOND)
            if owed > limits.STALLED_READER_SECONDS:
                raise BrokenPipeError(errno.EPIPE, "the client does not read")

    def _listen(self) -> bool:
        """Takes what came and throws it away; whether there was any."""
        try:
            if self._connection.take_now(_PIECE_BYTES):
                return True
        except BlockingIOError:
            return False
        self.listening = False
        return False

    def _wait(self, events: int, seconds: float) -> int:
        if self._read_at < self._write_at:
            events |= select.POLLOUT
        poll = select.poll()
        poll.register(self._connection, events)
        return next((found for _, found in poll.poll(seconds * 1000)), 0)


class Answering:
    """The pieces of an answer; closing it, which whoever sends does at the end whatever happens, gives back all that it held."""

    def __init__(self, pieces: Iterator[bytes], place: Place, outgoing: Outgoing | None = None) -> None:
        self._pieces = pieces
        self._place = place
        self._outgoing = outgoing

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        try:
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
        finally:
            if self._outgoing is not None:
                self._outgoing.close()
            self._place.leave()


def of_request(request: Request) -> Outgoing | None:
    """Both directions of the request's connection; None under a server that is not ours, where a client has to read as it sends."""
    connection = request.environ.get("gunicorn.socket")
    return Outgoing(connection) if isinstance(connection, BoundedSocket) else None


def cut(request: Request) -> None:
    """End the answer by a reset: a good-bye would pass for its end with clients, and proxies, of HTTP/1.0."""
    connection = request.environ.get("gunicorn.socket")
    if isinstance(connection, BoundedSocket):
        connection.cut = True
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
