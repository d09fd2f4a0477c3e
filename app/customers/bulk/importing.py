"""How the lines of an import become customers, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.core.errors import KehuError
from app.core.syncing import Done, ExternalKey
from app.customers.bulk import items, service
from app.customers.bulk.service import Sent, Synced, Unchanged
from app.customers.bulk.together import Footprint, Together
from app.db import failures
from app.db.unit_of_work import UnitOfWork
from app.web.streams.lines import Apply, Line, LineResult
from app.web.streams.operations import Import
from app.web.streams.turns import Turn

# Any: what the schemas load.

# Others may hold a row of the chunk for a moment, and be a chunk of a thousand rows themselves.
_BUSY_REPEATS = 5

_Results = tuple[Sequence[Done | KehuError], str | None]


class _DryRun(Exception):
    """Everything was decided, and nothing is to be written."""

    def __init__(self, results: Sequence[Done | KehuError]) -> None:
        super().__init__()
        self.results = results


class _Met(Exception):
    """The chunk before has written what this one has looked at already."""


def writer(call: Import, query: Mapping[str, Any]) -> Apply:
    """Writes one chunk after the other."""

    def apply(lines: Sequence[Line], turn: Turn[Footprint]) -> tuple[Sequence[LineResult], str | None]:
        chunk = _Chunk(call, query, lines, turn)
        results, position = chunk.write()
        request_id = call.request_id
        return [items.line_result(*each, request_id=request_id) for each in zip(lines, chunk.keys, results, strict=True)], position

    return apply


class _Chunk:
    """Some lines on their way to the database."""

    def __init__(self, call: Import, query: Mapping[str, Any], lines: Sequence[Line], turn: Turn[Footprint]) -> None:
        self._call = call
        self._source = query["source"]
        self._match = query["match"] or ()
        self._restore = query["deleted"] is not None
        self._is_dry = query["dry_run"] == "true"
        self._lines = lines
        self._turn = turn
        self.keys = [items.key_of_line(line.data or {}, source=self._source) for line in lines]
        self._digests = [items.digest_of_line(line, source=self._source) for line in lines]

    def write(self) -> _Results:
        """The results, and the position of the last event; everything is committed, in its turn."""
        try:
            results, position, left = self._try(is_ahead=True)
        except _Met:
            # From the beginning: what the chunk before has written is there now, and nothing of the stream is under way before us.
            results, position, left = self._try(is_ahead=False)
        self._turn.leave(left)
        return results, position

    def _try(self, *, is_ahead: bool) -> tuple[Sequence[Done | KehuError], str | None, Footprint | None]:
        known = self._find_synced()
        sent = [self._sent(*each, known) for each in zip(self._lines, self.keys, self._digests, strict=True)]
        unchanged = [one for one in sent if isinstance(one, Unchanged)]
        seen = {one.done.id for one in unchanged}

        def wait(book: Together | None) -> None:
            before = self._turn.wait()
            if not is_ahead or before is None:
                return
            if not (before.ids.isdisjoint(seen) and before.keys.isdisjoint(self.keys)) or (book is not None and book.has_met(before)):
                raise _Met

        if len(unchanged) == len(sent):
            wait(None)
            return [one.done for one in unchanged], None, None
        return self._write(sent, wait)

    def _find_synced(self) -> Mapping[ExternalKey, Synced]:
        here = self._call.here
        with here.database.lease(time.monotonic() + here.config.request_deadline) as connection:
            return service.find_synced(connection, keys={key for key in self.keys if key is not None})

    def _sent(self, line: Line, key: ExternalKey | None, digest: bytes, known: Mapping[ExternalKey, Synced]) -> Sent:
        data = line.data or {}

        def item() -> service.Item | KehuError:
            return items.of_line(data, source=self._source, match=self._match, digest=digest)

        synced = known.get(key) if key is not None else None
        if synced is not None and synced.digest == service.digest_under(synced.edition, digest, data):
            return Unchanged(synced.done, item)
        return item()

    def _write(
        self, sent: Sequence[Sent], wait: Callable[[Together | None], None]
    ) -> tuple[Sequence[Done | KehuError], str | None, Footprint | None]:
        def work(unit: UnitOfWork) -> tuple[Sequence[Done | KehuError], str | None, Footprint | None]:
            book, results = service.decide(unit, self._call.caller, items=sent, restore=self._restore)
            book.prepare()
            left = book.footprint()
            wait(book)
            book.write()
            if self._is_dry:
                raise _DryRun(results)
            return results, self._call.position(unit), left

        repeats = 0
        while True:
            try:
                return self._call.run(work)
            except _DryRun as done:
                return done.results, None, None
            except failures.DATABASE_ERRORS as error:
                told = failures.meaning(error, narrowable=False)
                repeats += 1
                if told is None or told.code != "database_busy" or repeats > _BUSY_REPEATS:
                    raise
