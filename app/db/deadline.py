"""A bound on how long a request may wait for the database, whatever the network does.

`statement_timeout` is kept by the server and TCP's time-outs by the kernel; neither ends the wait for a server that accepts, acknowledges
and never answers. Shutting the socket does: libpq returns at once and the thread is free.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

import psycopg

_TICK_SECONDS = 0.25


class DeadlineWatch:
    """Shuts the socket of every connection that is still in use at its deadline. One daemon thread a process, started when needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, tuple[float, psycopg.Connection[object]]] = {}
        self._thread: threading.Thread | None = None

    def enter(self, connection: psycopg.Connection[object], until: float) -> None:
        """Watch `connection` until `leave`; `until` is on the monotonic clock."""
        with self._lock:
            self._running[id(connection)] = (until, connection)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="database-deadline", daemon=True)
                self._thread.start()

    def leave(self, connection: psycopg.Connection[object]) -> None:
        # The lock keeps the thread from shutting a socket that the next request already uses.
        with self._lock:
            self._running.pop(id(connection), None)

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            now = time.monotonic()
            with self._lock:
                late = [key for key, (until, _) in self._running.items() if until <= now]
                for key in late:
                    _shut(self._running.pop(key)[1])


def _shut(connection: psycopg.Connection[object]) -> None:
    # Where the other side was quicker, or the connection is closed already, the wait is over all the same. A duplicate, since closing
    # the socket object must not close libpq's descriptor.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
