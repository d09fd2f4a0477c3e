"""A client's connection on which no wait is without end: for what it was to send, and for it to take what it is sent."""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# A client may stop for so long, and has to take so much a second in the long run.
PATIENCE_SECONDS = 10.0
_SLOWEST_BYTES_PER_SECOND = 20_000
# For the few bytes of an answer that no place was kept for: they fit into the kernel's buffer, unless the client reads nothing.
NO_PATIENCE_SECONDS = 0.1


class Late(Exception):
    """The client did not send in time what it had begun. No OSError, since gunicorn would take it for a broken connection."""


class Left(Exception):
    """Nobody wants any more what was to be received."""


class Both(Protocol):
    """Receives and sends at the same time; see `app.web.streams.outgoing`."""

    def recv(self, size: int) -> bytes: ...
    def send(self, data: ReadableBuffer) -> None: ...


class BoundedSocket(socket.socket):
    """What gunicorn and the gate read from and write to. Times are on the monotonic clock."""

    # Nothing is received after this; whoever begins to read sets it.
    until = 0.0
    # When the request that is being read or answered began to wait for a thread.
    queued_at = 0.0
    patience = PATIENCE_SECONDS
    # How much of a head that is not here yet was seen.
    peeked = 0
    # Of a stream, whose answer begins before its body has ended.
    both: Both | None = None
    # Whether an answer has to end so that nobody takes it for complete.
    cut = False

    @classmethod
    def of(cls, accepted: socket.socket) -> BoundedSocket:
        """The same connection, taken over from `accepted`."""
        return cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Raises Late. The time-out is set anew for each piece, or a client that drips would never come to it."""
        if self.both is not None:
            return self.both.recv(size)
        left = self.until - time.monotonic()
        if left <= 0:
            raise Late
        self.settimeout(left)
        try:
            return super().recv(size, flags)
        except TimeoutError as error:
            raise Late from error

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Raises BrokenPipeError where the client does not take it."""
        if self.both is not None:
            self.both.send(data)
            return
        self.settimeout(self.patience + memoryview(data).nbytes / _SLOWEST_BYTES_PER_SECOND)
        try:
            super().sendall(data, flags)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the client does not read") from error

    def take_now(self, size: int) -> bytes:
        """What has come, past `both`. Raises BlockingIOError where there is nothing; b"" is the end."""
        return super().recv(size)

    def give_now(self, data: ReadableBuffer) -> int:
        """How much of `data` the kernel took at once. Raises BlockingIOError where nothing."""
        return super().send(data)

    def peek(self, size: int) -> bytes:
        """What has come already and is left for `recv`. Raises BlockingIOError where there is nothing; b"" is the end."""
        self.setblocking(False)
        return super().recv(size, socket.MSG_PEEK)

    def discard(self, size: int) -> bytes:
        """What has come already. Raises BlockingIOError where there is nothing; b"" is the end."""
        self.setblocking(False)
        return super().recv(size)

    def wake_beyond(self, size: int) -> None:
        """Count as readable only with more than `size` bytes, or at the end."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size + 1)
