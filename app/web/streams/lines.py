"""What passes between a stream of lines and the feature that they are for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from app.config import Config
from app.core.errors import KehuError
from app.core.syncing import Outcome
from app.db.engines import Database
from app.web.problems import HttpProblem
from app.web.streams.turns import Turn

# Any: JSON.


# Tuples, since imports make millions of them.
class Line(NamedTuple):
    """One line of a body. It has `data`, or a `fault` that says why not; neither, where it is NDJSON that is yet to be read."""

    # Of the physical line, from 1, blank ones and a header counted; of a CSV record the line on which it begins.
    number: int
    data: dict[str, Any] | None
    # What identifies the content: of NDJSON the line itself, of CSV its cells under their names.
    raw: bytes
    fault: KehuError | HttpProblem | None = None


class LineResult(NamedTuple):
    """What became of one line. `problem` is a problem document, see `problems.document_of`."""

    number: int
    outcome: Outcome
    # As the same write alone would be answered.
    status: int
    source: str | None = None
    external_id: str | None = None
    id: UUID | None = None
    version: int | None = None
    problem: dict[str, Any] | None = None


# `(epoch, xid, id)` of an event.
Position = tuple[int, int, int]


class Means(Protocol):
    """What a process has to write with."""

    @property
    def config(self) -> Config: ...

    @property
    def database(self) -> Database: ...


class Applied(NamedTuple):
    """What became of the lines of one chunk."""

    outcomes: Counter[Outcome]
    # Of all lines, or of those that failed.
    results: Sequence[LineResult]
    # Of the last event; None where nothing was written.
    position: Position | None


class Apply(Protocol):
    """Writes the lines of one chunk in one unit of work, in its turn. What it raises ends the stream: nothing of the chunk is there then,
    as far as is known. With `report_all` every line has its result, else each that failed.

    Called in threads, and in processes to which it is sent: it has to be such that it can be.
    """

    def __call__(self, here: Means, lines: Sequence[Line], turn: Turn[Any], /, *, report_all: bool) -> Applied: ...


class Broken(Exception):
    """No more can be read. `problem` is None where the client is gone and nobody is left to be told."""

    def __init__(self, problem: HttpProblem | None) -> None:
        super().__init__(problem.code if problem is not None else "gone")
        self.problem = problem
