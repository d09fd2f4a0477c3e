"""The processes that write chunks of long imports, beside the one that serves.

Most of an import is deciding, in Python, and threads of one process take turns at that: two chunks under way are no faster than one. To
start a process takes a second and a half of loading, so all are forked from one that has loaded everything and done nothing yet.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Any

from app.config import Config
from app.core import logs
from app.web.problems import HttpProblem
from app.web.streams import hand
from app.web.streams.chunks import Errand, Written
from app.web.streams.hand import AwaitsTurn, Done, Granted, Refused
from app.web.streams.turns import Forsaken, Turn

# Any: what comes from the other end.

_log = logs.get(__name__)

# Who stops the service stops the process that we work for, whose end is ours.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_STANDARD = (0, 1, 2)

# A chunk has a minute, and begins again up to five times where rows are held: who is silent for longer hangs, and is as good as gone.
_SILENT_SECONDS = 420.0


class Lost(Exception):
    """The process is gone, and nothing of the chunk is written."""


class Hand:
    """One of the processes, as seen from here; for one thread at a time."""

    def __init__(self, connection: Connection, places: threading.Semaphore) -> None:
        self._connection = connection
        self._places = places
        # Whether it has answered all that it was asked.
        self.is_free = True

    def write(self, errand: Errand, turn: Turn[Any]) -> Written:
        """As `chunks.write`. Raises Lost, and HttpProblem where the process is gone and it is not known what it has written."""
        has_turn = self.is_free = False
        try:
            # As plain tuples lines go in a quarter of the time.
            self._connection.send((errand.apply, [tuple(line) for line in errand.lines], errand.request_id, errand.report_all))
            while True:
                told = self._receive()
                if isinstance(told, AwaitsTurn):
                    self._connection.send(_granted(turn))
                    has_turn = True
                    continue
                self.is_free = True
                if isinstance(told, Done):
                    turn.leave(told.left)
                    return told.written
                if isinstance(told, Refused):
                    raise Forsaken
                raise told
        except (EOFError, OSError) as error:
            _log.warning("import_process_lost", exc_info=error, is_chunk_safe=not has_turn)
            if not has_turn:
                raise Lost from error
            raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, "import_process_lost") from error

    def _receive(self) -> Any:
        if not self._connection.poll(_SILENT_SECONDS):
            raise EOFError
        return self._connection.recv()

    def dismiss(self) -> None:
        """It ends, as soon as it has nothing to write."""
        self._connection.close()
        self._places.release()


def _granted(turn: Turn[Any]) -> Granted | Refused:
    try:
        return Granted(turn.wait())
    except Forsaken:
        return Refused()


class Crew:
    """Up to so many hands at a time, in all imports of this process; none before `open`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._places = threading.Semaphore(config.import_processes)
        self._lock = threading.Lock()
        self._nursery: socket.socket | None = None
        self._pid = 0

    def open(self) -> None:
        """Fork the process that forks the others. To be called while there is no other thread, nor a connection that must not be shared."""
        if not self._config.import_processes:
            return
        try:
            ours, theirs = socket.socketpair()
            self._pid = os.fork()
        except OSError as error:
            # The service does without rather than not begin.
            _log.warning("import_processes_gone", exc_info=error)
            return
        if self._pid:
            theirs.close()
            self._nursery = ours
            return
        # Nothing above may go on in here, whatever happens.
        try:
            _nurse(theirs, self._config)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody else will tell
            _log.error("unhandled", exc_info=error)
        finally:
            os._exit(0)

    def hire(self) -> Hand | None:
        """A hand, where there is a place for one."""
        if self._nursery is None or not self._places.acquire(blocking=False):
            return None
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            # No descriptor to be had.
            self._places.release()
            return None
        with theirs, self._lock:
            try:
                socket.send_fds(self._nursery, [b"."], [theirs.fileno()])
            except OSError as error:
                # Killed, and not to be forked anew, now that there are threads: this process goes on by itself, until it is started anew.
                _log.warning("import_processes_gone", exc_info=error)
                self._bury()
        # Where nothing was forked the other end is closed, as it is where what was forked has died.
        return Hand(Connection(ours.detach()), self._places)

    def _bury(self) -> None:
        """What has died stays in the table of processes until its parent asks for it."""
        if self._pid:
            with suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)

    def close(self) -> None:
        """None can be hired any more."""
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None


def _nurse(control: socket.socket, config: Config) -> None:
    """Fork a hand for each descriptor that comes, until nobody is left to send one."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Nobody waits for a hand to end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    # The server's sockets above all: they have to be free when it ends.
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor not in (*_STANDARD, control.fileno()):
            # The one of the listing itself is closed already.
            with suppress(OSError):
                os.close(descriptor)
    while True:
        told, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not told:
            return
        with suppress(OSError):
            # No process to be had: what it would have done is done by who asked for it.
            if not os.fork():
                control.close()
                hand.serve(Connection(descriptors[0]), config)
                return
        for descriptor in descriptors:
            os.close(descriptor)
