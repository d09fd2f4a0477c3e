"""How the lines of an import are written, chunk by chunk, whatever they are about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from app.core.bulk import Item, Result, Sent, Unchanged
from app.core.caller import Caller
from app.core.errors import KehuError
from app.core.syncing import Done, ExternalKey, Outcome
from app.db import failures, unit_of_work
from app.db.unit_of_work import UnitOfWork
from app.web.bulk import items
from app.web.streams.lines import Applied, Line, Means, Position
from app.web.streams.operations import Import
from app.web.streams.turns import Turn

# Any: what the schemas load.

# A thousand rows take longer than one, and a chunk waits for the one before it.
_SECONDS = 60.0
_PATIENCE = "SET LOCAL statement_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"

# Others may hold a row of the chunk for a moment, and be a chunk of a thousand rows themselves.
_BUSY_REPEATS = 5

ItemT = TypeVar("ItemT", bound=Item)
F = TypeVar("F", bound="Footprint")
T = TypeVar("T")

_Known = tuple[Done, bytes]

# What external ids stood for when they were looked up; None: for nothing. As much of it as its feature has a use for.
Looked = Mapping[ExternalKey, Any]


class Footprint(Protocol):
    """What a chunk has changed, so that another, decided before that was there, knows whether it has to be decided again.

    Sent from process to process, and so of what is sent fast.
    """

    @property
    def ids(self) -> frozenset[int]:
        """Of the things that lines may find unchanged, as numbers."""

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """The external ids of such things."""


class Book(Protocol[F]):
    """What was decided of a chunk, not written yet."""

    def has_met(self, other: F) -> bool:
        """Whether anything that was looked at is of `other`'s making."""

    def prepare(self) -> None:
        """The part of writing that needs no turn: what can be in nobody's way is written, and the rest is made."""

    def write(self) -> None: ...

    def footprint(self) -> F | None:
        """None where nothing changes."""


class Feature(Protocol[ItemT, F]):
    """What lines are about."""

    def find_synced(
        self, db: Connection, lines: Sequence[Line], keys: Sequence[ExternalKey | None]
    ) -> tuple[Sequence[_Known | None], Looked]:
        """For each line what it stands for and is as one line of an import has left it, and that line's digest: the same line would not
        change it. And what was looked up for that, which need not be looked up again."""

    def item(self, line: Line, digest: bytes) -> ItemT | KehuError:
        """What the line asks for, or what is wrong with it."""

    def decide(self, unit: UnitOfWork, caller: Caller, sent: Sequence[Sent[ItemT]], looked: Looked) -> tuple[Book[F], Sequence[Result]]:
        """What becomes of each, with everything left to be written by the book."""


class _DryRun(Exception):
    """Everything was decided, and nothing is to be written."""

    def __init__(self, results: Sequence[Result]) -> None:
        super().__init__()
        self.results = results


class _Met(Exception):
    """The chunk before has written what this one has looked at already."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes one chunk after the other (`lines.Apply`); `query` is what a `SyncImportQuerySchema` loads."""

    call: Import
    query: Mapping[str, Any]
    # Of which items it is, and which footprints, it knows itself.
    feature: Feature[Any, Any]

    def __call__(self, here: Means, lines: Sequence[Line], turn: Turn[Any], /, *, report_all: bool) -> Applied:
        chunk = _Chunk(here, self, lines, turn)
        results, position = chunk.write()
        told = [
            items.line_result(line, key, result, request_id=self.call.request_id)
            for line, key, result in zip(lines, chunk.keys, results, strict=True)
            if report_all or _outcome(result) is Outcome.FAILED
        ]
        return Applied(Counter(map(_outcome, results)), told, position)


def _outcome(result: Result) -> Outcome:
    return result.outcome if isinstance(result, Done) else Outcome.FAILED


class _Chunk:
    """Some lines on their way to the database."""

    def __init__(self, here: Means, writer: Writer, lines: Sequence[Line], turn: Turn[Any]) -> None:
        query = writer.query
        self._here = here
        self._caller = writer.call.caller
        self._feature = writer.feature
        self._is_dry = query["dry_run"] == "true"
        # Who matches takes turns with all others who match, by locks that last as long as the transaction. A chunk that was decided ahead
        # would hold them while it waits for the one before, which may have to take them once more.
        self._may_be_ahead = not query.get("match")
        self._lines = lines
        self._turn = turn
        self.keys = [items.key_of_line(line.data or {}, source=query["source"]) for line in lines]
        self._digests = items.digests_of_lines(lines, source=query["source"])

    def write(self) -> tuple[Sequence[Result], Position | None]:
        """The results, and the position of the last event; everything is committed, in its turn."""
        try:
            results, position, left = self._try(is_ahead=self._may_be_ahead)
        except _Met:
            # From the beginning: what the chunk before has written is there now, and nothing of the stream is under way before us.
            results, position, left = self._try(is_ahead=False)
        self._turn.leave(left)
        return results, position

    def _try(self, *, is_ahead: bool) -> tuple[Sequence[Result], Position | None, Any]:
        if not is_ahead:
            self._turn.wait()
        known, looked = self._find_synced()
        sent = [self._sent(*each) for each in zip(self._lines, self._digests, known, strict=True)]
        unchanged = [one for one in sent if isinstance(one, Unchanged)]

        def wait(book: Book[Any] | None) -> None:
            before = self._turn.wait()
            if not is_ahead or before is None:
                return
            seen = {one.done.id.int for one in unchanged}
            if not (before.ids.isdisjoint(seen) and before.keys.isdisjoint(self.keys)) or (book is not None and book.has_met(before)):
                raise _Met

        if len(unchanged) == len(sent):
            wait(None)
            return [one.done for one in unchanged], None, None
        return self._write(sent, looked, wait)

    def _find_synced(self) -> tuple[Sequence[_Known | None], Looked]:
        with self._here.database.lease(time.monotonic() + self._here.config.request_deadline) as connection:
            return self._feature.find_synced(connection, self._lines, self.keys)

    def _sent(self, line: Line, digest: bytes, known: _Known | None) -> Sent[Any]:
        def item() -> Any:
            return self._feature.item(line, digest)

        return Unchanged(known[0], item) if known is not None and known[1] == digest else item()

    def _write(
        self, sent: Sequence[Sent[Any]], looked: Looked, wait: Callable[[Book[Any] | None], None]
    ) -> tuple[Sequence[Result], Position | None, Any]:
        first = [looked]

        def work(unit: UnitOfWork) -> tuple[Sequence[Result], Position | None, Any]:
            # A repeat may come after a while.
            known = first.pop() if first else {}
            if unit.contended:
                # A repeat locks what it reads: before its turn it could hold what the chunk before is waiting for, and wait for that one.
                wait(None)
            book, results = self._feature.decide(unit, self._caller, sent, known)
            book.prepare()
            left = book.footprint()
            wait(book)
            book.write()
            if self._is_dry:
                raise _DryRun(results)
            return results, unit.position, left

        repeats = 0
        while True:
            try:
                return self._run(work)
            except _DryRun as done:
                return done.results, None, None
            except failures.DATABASE_ERRORS as error:
                told = failures.meaning(error, narrowable=False)
                repeats += 1
                if told is None or told.code != "database_busy" or repeats > _BUSY_REPEATS:
                    raise

    def _run(self, work: Callable[[UnitOfWork], T]) -> T:
        """What `work` returns, in a unit of work with a deadline of its own: one chunk's, not the stream's."""

        def patiently(unit: UnitOfWork) -> T:
            unit.connection.exec_driver_sql(_PATIENCE)
            return work(unit)

        return unit_of_work.run(self._here.database, time.monotonic() + _SECONDS, patiently)
