"""A process that writes chunks of imports for the one that has started it (`crew.py`), and what the two say to each other.

It ends when that one does, and when there was nothing to do for a minute.
"""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from app.config import Config
from app.core import collecting, logs
from app.db.engines import Database
from app.web.problems import HttpProblem, status_of
from app.web.streams import chunks
from app.web.streams.chunks import Errand, Written
from app.web.streams.lines import Apply, Line
from app.web.streams.turns import Forsaken, Turn

# Any: what a chunk leaves behind, which is its feature's.

_IDLE_SECONDS = 60.0


class Beginning(NamedTuple):
    """What a hand is told first. `apply` is not called, but with it comes the code that will be needed."""

    config: Config
    apply: Apply


class Ready(NamedTuple):
    """The hand has begun."""


class AwaitsTurn(NamedTuple):
    """All is decided and nothing written; answered by Granted or Refused."""


class Granted(NamedTuple):
    """The turn has come; the chunk before has left this behind."""

    left: Any


class Refused(NamedTuple):
    """The chunk before was not written."""


class Done(NamedTuple):
    """The chunk is there for good; `left` is what the next one has to know. Both at once, so that no chunk follows one that is not told."""

    written: Written
    left: Any


@dataclass(frozen=True, slots=True)
class _Means:
    config: Config
    database: Database


class _DistantTurn(Turn[Any]):
    """A turn that is kept by the process at the other end."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(None)
        self._connection = connection
        self.left: Any = None

    def wait(self) -> Any:
        self._connection.send(AwaitsTurn())
        answer = self._connection.recv()
        if isinstance(answer, Refused):
            raise Forsaken
        return answer.left

    def leave(self, left: Any) -> None:
        self.left = left


def serve(connection: Connection) -> None:
    """Write chunks until nobody has any. Raises EOFError or OSError where the other end is gone."""
    beginning: Beginning = connection.recv()
    here = _Means(beginning.config, Database(beginning.config))
    collecting.settle()
    connection.send(Ready())
    try:
        while connection.poll(_IDLE_SECONDS):
            apply, lines, request_id, report_all = connection.recv()
            logs.begin_request(request_id)
            # As plain tuples they come in a quarter of the time.
            errand = Errand(apply, [Line(*line) for line in lines], request_id, report_all)
            connection.send(_done(here, errand, _DistantTurn(connection)))
    finally:
        here.database.close()


def _done(here: _Means, errand: Errand, turn: _DistantTurn) -> object:
    """What has become of it, or why it was not written."""
    try:
        return Done(chunks.write(here, errand, turn), turn.left)
    except (Forsaken, EOFError, BrokenPipeError):
        return Refused()
    except Exception as error:  # noqa: BLE001  # whatever it is, it ends the stream and not this process
        told = chunks.meaning(error)
        return told if isinstance(told, HttpProblem) else HttpProblem(status_of(told), told.code, **told.data)


def main() -> None:
    """What `python -c` runs, with the descriptor of the connection behind it."""
    # Who stops the service stops the process that we work for, which ends us when our chunk is done.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logs.configure()
    # Nobody is left to work for.
    with suppress(EOFError, OSError):
        serve(Connection(int(sys.argv[1])))
