"""Members of segments that are gone: told by nobody, found by nobody, and cleared away some at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Uuid, bindparam, text

from app.db.engines import Database
from app.segments import queries
from app.segments.worker import lanes

_CHUNK = 5_000
# One after the other by the index: what there are of them is few, and what they have is much.
_NEXT = (
    text("SELECT segment_id FROM segment_members WHERE segment_id > :last ORDER BY segment_id LIMIT 1")
    .bindparams(bindparam("last", type_=Uuid))
    .columns(segment_id=Uuid)
)
_CLEAR = text(
    """
    DELETE FROM segment_members WHERE segment_id = :key AND customer_id = ANY(ARRAY(
        SELECT customer_id FROM segment_members WHERE segment_id = :key ORDER BY customer_id LIMIT :count
    ))
    """
).bindparams(bindparam("key", type_=Uuid), count=_CHUNK)


@dataclass(frozen=True, slots=True)
class Clearer:
    database: Database
    is_over: Callable[[], bool]

    def clear(self) -> bool:
        """Clear away what there is; two workers at once do no harm."""
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            # The members first: what is made meanwhile has a definition when that is read.
            kept = list(_kept(db))
            there = {one.id for one in queries.list_definitions(db)}
        for segment_id in kept:
            while segment_id not in there and not self.is_over() and self._clear_some(segment_id):
                pass
        return False

    def _clear_some(self, segment_id: UUID) -> bool:
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            return db.execute(_CLEAR, {"key": segment_id}).rowcount == _CHUNK


def _kept(db: Connection) -> Iterator[UUID]:
    last: UUID | None = UUID(int=0)
    while (last := db.execute(_NEXT, {"last": last}).scalar()) is not None:
        yield last
