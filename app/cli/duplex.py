"""One connection for two threads, of which one sends while the other one receives; plain or TLS.

OpenSSL must not read and write one connection at the same time, and a time-out of the socket's own would end a long upload to a proxy
that keeps the answer back until it has all of it. So nothing here waits inside a call of the socket.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

T = TypeVar("T")

_TICK_SECONDS = 1.0
_BUFFER_BYTES = 65_536


class Duplex(io.RawIOBase):
    """What `http.client` uses of a socket. Raises TimeoutError where for `patience` seconds no byte went either way."""

    def __init__(self, connection: socket.socket, *, patience: float) -> None:
        super().__init__()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connection = connection
        self._patience = patience
        self._turn = threading.Lock()
        self._moved_at = time.monotonic()

    def readable(self) -> bool:
        return True

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(self, _BUFFER_BYTES)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._moved(lambda: self._connection.recv_into(buffer), select.POLLIN)

    def sendall(self, data: ReadableBuffer) -> None:
        left = memoryview(data)
        while left:
            left = left[self._moved(lambda: self._connection.send(left), select.POLLOUT) :]  # noqa: B023  # called at once

    def hang_up(self) -> None:
        """End both directions, from any thread; who waits here finds out at once."""
        with suppress(OSError):
            # Past TLS, whose good-bye would have to wait for its turn.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def disconnect(self) -> None:
        """When no thread uses it any more."""
        self._connection.close()

    def close(self) -> None:
        """Nothing: `http.client` closes what it has read to the end while the body is perhaps still being sent."""

    def _moved(self, move: Callable[[], T], events: int) -> T:
        while True:
            wanted = events
            try:
                with self._turn:
                    done = move()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                if isinstance(error, ssl.SSLError):
                    wanted = select.POLLIN if isinstance(error, ssl.SSLWantReadError) else select.POLLOUT
            else:
                self._moved_at = time.monotonic()
                return done
            poll = select.poll()
            poll.register(self._connection, wanted)
            if not poll.poll(_TICK_SECONDS * 1000) and time.monotonic() - self._moved_at > self._patience:
                raise TimeoutError(f"nothing came or went for {self._patience:.0f} seconds")
