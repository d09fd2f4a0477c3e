"""The next part of the log, as far as it says whose memberships are to be looked at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Integer, Text, Uuid, bindparam, text
from sqlalchemy.sql.selectable import TextualSelect

from app.db.columns import Timestamp, Xid8
from app.segments.worker.lanes import OF_CUSTOMER, Lane

# What a step comes to, since the feed waits for its transaction.
_MOST_EVENTS = 2_000
_LEAST_EVENTS = 100
_DECISIONS = 50_000

# Our own events change nobody's membership, but that of a static segment may be what a rule asks for; hiding it also depends on it.
_READ: TextualSelect = (
    text(
        f"""
        WITH looked_at AS MATERIALIZED (
            SELECT xid, id, type, time, customer_id, data FROM events
            WHERE (xid, id) > (:xid, :id) AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, id LIMIT :size
        ), last AS (
            SELECT xid, id, time FROM looked_at ORDER BY xid DESC, id DESC LIMIT 1
        ), customers AS (
            SELECT DISTINCT customer_id FROM looked_at
            WHERE customer_id IS NOT NULL AND {OF_CUSTOMER} = ANY(:lanes) AND CASE
                WHEN type LIKE 'segment.%' THEN coalesce(
                    CAST(data AS json) -> 'after' ->> 'segment_id', CAST(data AS json) -> 'before' ->> 'segment_id'
                ) = ANY(:static)
                ELSE true
            END
        )
        SELECT last.*, (SELECT count(*) FROM looked_at) AS seen, (SELECT array_agg(customer_id) FROM customers) AS customers FROM last
        """
    )
    .bindparams(bindparam("xid", type_=Xid8), bindparam("lanes", type_=ARRAY(Integer)), bindparam("static", type_=ARRAY(Text)))
    .columns(xid=Xid8, time=Timestamp, customers=ARRAY(Uuid))
)


@dataclass(frozen=True, slots=True)
class Window:
    """Whom some events were about, the last event's place and time, and whether there are no more behind it at present."""

    customers: Sequence[UUID]
    last: tuple[int, int]
    time: datetime
    is_whole: bool


def size(segments: int) -> int:
    """How many events are looked at in one step, for so many segments."""
    return max(_LEAST_EVENTS, min(_MOST_EVENTS, _DECISIONS // max(1, segments)))


def read(db: Connection, lanes: Sequence[Lane], static: Collection[UUID], *, count: int) -> Window | None:
    """Up to `count` events behind the place of `lanes`, which all are at the same; None where there is nothing."""
    xid, event_id = lanes[0].place
    values = {"xid": xid, "id": event_id, "size": count, "lanes": [lane.number for lane in lanes], "static": [str(one) for one in static]}
    row = db.execute(_READ, values).one_or_none()
    return None if row is None else Window(row.customers or [], (row.xid, row.id), row.time, row.seen < count)
