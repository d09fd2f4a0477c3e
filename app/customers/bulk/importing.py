"""How the lines of an import become customers, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.errors import KehuError
from app.core.syncing import Done, ExternalKey
from app.customers.bulk import items, service
from app.customers.bulk.service import Sent, Unchanged
from app.db import failures
from app.db.unit_of_work import UnitOfWork
from app.web.frame import runtime
from app.web.streams.lines import Apply, Line, LineResult
from app.web.streams.operations import Import

# Any: what the schemas load.

# Others may hold a row of the chunk for a moment, and be a chunk of a thousand rows themselves.
_BUSY_REPEATS = 5


class _DryRun(Exception):
    """Everything was decided, and nothing is to be written."""

    def __init__(self, results: list[Done | KehuError]) -> None:
        super().__init__()
        self.results = results


def writer(call: Import, query: Mapping[str, Any]) -> Apply:
    """Writes one chunk after the other."""
    source, match, restore = query["source"], query["match"] or (), query["deleted"] is not None
    is_dry = query["dry_run"] == "true"
    database, seconds = runtime().database, runtime().config.request_deadline

    def apply(lines: Sequence[Line]) -> tuple[Sequence[LineResult], str | None]:
        keys = [items.key_of_line(line.data or {}, source=source) for line in lines]
        digests = [items.digest_of_line(line, source=source) for line in lines]
        with database.lease(time.monotonic() + seconds) as connection:
            known = service.find_synced(connection, keys={key for key in keys if key is not None})
        sent = [_sent(*each, known, source, match) for each in zip(lines, keys, digests, strict=True)]
        if all(isinstance(one, Unchanged) for one in sent):
            results: Sequence[Done | KehuError] = [one.done for one in sent if isinstance(one, Unchanged)]
            position = None
        else:
            results, position = _write(call, sent, restore=restore, is_dry=is_dry)
        request_id = call.request_id
        return [items.line_result(*each, request_id=request_id) for each in zip(lines, keys, results, strict=True)], position

    return apply


def _sent(
    line: Line,
    key: ExternalKey | None,
    digest: bytes,
    known: Mapping[ExternalKey, tuple[Done, bytes]],
    source: str | None,
    match: Sequence[str],
) -> Sent:
    def item() -> service.Item | KehuError:
        return items.of_line(line.data or {}, source=source, match=match, digest=digest)

    done, left_by = known.get(key, (None, None)) if key is not None else (None, None)
    return Unchanged(done, item) if done is not None and left_by == digest else item()


def _write(call: Import, sent: Sequence[Sent], *, restore: bool, is_dry: bool) -> tuple[list[Done | KehuError], str | None]:
    def work(unit: UnitOfWork) -> tuple[list[Done | KehuError], str | None]:
        results = service.apply(unit, call.caller, items=sent, restore=restore)
        if is_dry:
            raise _DryRun(results)
        return results, call.position(unit)

    repeats = 0
    while True:
        try:
            return call.run(work)
        except _DryRun as done:
            return done.results, None
        except failures.DATABASE_ERRORS as error:
            told = failures.meaning(error, narrowable=False)
            repeats += 1
            if told is None or told.code != "database_busy" or repeats > _BUSY_REPEATS:
                raise
