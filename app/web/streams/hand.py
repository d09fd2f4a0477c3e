"""A process that writes chunks of imports for the one that has hired it (`crew.py`), and what the two say to each other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from app.config import Config
from app.core import logs
from app.db.engines import Database
from app.web.streams import chunks
from app.web.streams.chunks import Errand, Written
from app.web.streams.lines import Line
from app.web.streams.turns import Forsaken, Turn

# Any: what a chunk leaves behind, which is its feature's.


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
        try:
            self._connection.send(AwaitsTurn())
            answer = self._connection.recv()
        except (EOFError, OSError):
            # Whoever keeps the turn is gone.
            raise Forsaken from None
        if isinstance(answer, Refused):
            raise Forsaken
        return answer.left

    def leave(self, left: Any) -> None:
        self.left = left


def serve(connection: Connection, config: Config) -> None:
    """Write chunks until the other end is closed."""
    here = _Means(config, Database(config))
    with suppress(EOFError, OSError):
        while True:
            apply, lines, request_id, report_all = connection.recv()
            logs.begin_request(request_id)
            errand = Errand(apply, [Line(*line) for line in lines], request_id, report_all)
            connection.send(_done(here, errand, _DistantTurn(connection)))
    here.database.close()


def _done(here: _Means, errand: Errand, turn: _DistantTurn) -> object:
    """What has become of it, or why it was not written."""
    try:
        return Done(chunks.write(here, errand, turn), turn.left)
    except Forsaken:
        return Refused()
    except Exception as error:  # noqa: BLE001  # whatever it is, it ends the stream and not this process
        return chunks.meaning(error)
