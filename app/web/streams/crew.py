"""The processes that write chunks of long imports, beside the one that serves.

Most of an import is deciding, in Python, and threads of one process take turns at that: two chunks under way are no faster than one.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from app.config import Config
from app.core import logs
from app.web.problems import HttpProblem
from app.web.streams import chunks
from app.web.streams.chunks import Errand, Written
from app.web.streams.hand import AwaitsTurn, Beginning, Done, Granted, Ready, Refused
from app.web.streams.lines import Apply, Means
from app.web.streams.turns import Forsaken, Turn

# Any: what a chunk leaves behind, which is its feature's.

_log = logs.get(__name__)

_MAIN = "from app.web.streams.hand import main; main()"
_ROOT = Path(__file__).resolve().parents[3]
# It has to load what it needs, on a machine that is busy with an import.
_READY_SECONDS = 60.0
# Of one that is in the middle of a chunk when this process ends.
_END_SECONDS = 5.0


class Lost(Exception):
    """The process is gone, and nothing of the chunk is written."""


class Hand:
    """One of the processes, as seen from here."""

    def __init__(self, config: Config, apply: Apply) -> None:
        ours, theirs = Pipe()
        self._connection: Connection = ours
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(theirs.fileno())],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # Figures are ours to count: each process that counts some leaves files behind.
                env={name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"},
            )
        finally:
            theirs.close()
        with suppress(OSError):
            ours.send(Beginning(config, apply))

    def is_ready(self) -> bool:
        """Waits for that."""
        with suppress(EOFError, OSError):
            return self._connection.poll(_READY_SECONDS) and isinstance(self._connection.recv(), Ready)
        return False

    def write(self, errand: Errand, turn: Turn[Any]) -> Written:
        """As `chunks.write`. Raises Lost, and HttpProblem where the process is gone and it is not known what it has written."""
        has_turn = False
        try:
            self._connection.send((errand.apply, [tuple(line) for line in errand.lines], errand.request_id, errand.report_all))
            while True:
                told = self._connection.recv()
                if isinstance(told, AwaitsTurn):
                    self._connection.send(_granted(turn))
                    has_turn = True
                elif isinstance(told, Done):
                    turn.leave(told.left)
                    return told.written
                elif isinstance(told, Refused):
                    raise Forsaken
                else:
                    raise told
        except (EOFError, ConnectionError) as error:
            if not has_turn:
                raise Lost from error
            _log.error("import_process_lost", exc_info=error)
            raise HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, "import_process_lost") from error

    def dismiss(self) -> None:
        """It ends as soon as its chunk is done."""
        self._connection.close()

    def wait_or_kill(self) -> None:
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _granted(turn: Turn[Any]) -> Granted | Refused:
    try:
        return Granted(turn.wait())
    except Forsaken:
        return Refused()


class Crew:
    """Up to so many hands. None is there before `call_in`, nor after a minute without a chunk: a chunk is written here then, as it is while
    they are getting ready and where they are busy with another import."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._hands: list[Hand] = []
        self._free: list[Hand] = []
        # Those that are about to be started too.
        self._count = 0

    def call_in(self, apply: Apply) -> None:
        """Start those that are missing, for chunks such as `apply` writes."""
        with self._lock:
            missing = self._config.import_processes - self._count
            if not self._count and missing:
                atexit.register(self.close)
            self._count += missing
        for _ in range(missing):
            threading.Thread(target=self._attend, args=(apply,), name="import-process", daemon=True).start()

    def write(self, here: Means, errand: Errand, turn: Turn[Any]) -> Written:
        """As `chunks.write`, by a hand that is free, or here."""
        with self._free_hand() as hand:
            if hand is not None:
                with suppress(Lost):
                    return hand.write(errand, turn)
        return chunks.write(here, errand, turn)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            hands = list(self._hands)
        atexit.unregister(self.close)
        for hand in hands:
            hand.dismiss()
        for hand in hands:
            hand.wait_or_kill()

    @contextmanager
    def _free_hand(self) -> Iterator[Hand | None]:
        with self._lock:
            hand = self._free.pop() if self._free else None
        try:
            yield hand
        finally:
            with self._lock:
                # Not where it has ended meanwhile, and was taken off both lists.
                if hand in self._hands:
                    self._free.append(hand)

    def _attend(self, apply: Apply) -> None:
        """Start one, and stay with it as long as it lives."""
        hand = None
        try:
            hand = Hand(self._config, apply)
            with self._lock:
                self._hands.append(hand)
            if hand.is_ready():
                with self._lock:
                    self._free.append(hand)
            else:
                hand.dismiss()
            hand.process.wait()
        except OSError as error:
            # No process to be had: what it would have done is done here.
            _log.warning("import_process_not_started", exc_info=error)
        finally:
            with self._lock:
                self._count -= 1
                for hands in (self._hands, self._free):
                    if hand in hands:
                        hands.remove(hand)
