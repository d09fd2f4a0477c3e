"""Statements on kept members and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Connection, Integer, Row, Uuid, bindparam, text

from app.db.columns import Timestamp
from app.db.unit_of_work import UnitOfWork
from app.segments.worker.lanes import OF_CUSTOMER

# Any: rows.

# A customer and a segment.
Pair = tuple[UUID, UUID]

_PAIRS = (bindparam("customers", type_=ARRAY(Uuid)), bindparam("segments", type_=ARRAY(Uuid)))
_TOLD = f"customer_id, segment_id, entered_at, {OF_CUSTOMER} AS lane"

# Against a segment that goes meanwhile: what was written after it went would stay.
_KEEP = text("SELECT segment_id FROM segment_states WHERE segment_id = ANY(:ids) ORDER BY segment_id FOR KEY SHARE").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
# In the order in which writers lock customers, of whom each row is looked at for its foreign key.
_INSERT = text(
    f"""
    INSERT INTO segment_members (customer_id, segment_id, entered_at)
    SELECT customer_id, segment_id, :now FROM unnest(:customers, :segments) AS joined (customer_id, segment_id) ORDER BY customer_id
    ON CONFLICT DO NOTHING
    RETURNING {_TOLD}
    """
).bindparams(*_PAIRS, bindparam("now", type_=Timestamp))
_DELETE = text(
    f"""
    WITH gone AS (
        DELETE FROM segment_members m USING unnest(:customers, :segments) AS one (customer_id, segment_id)
        WHERE m.customer_id = one.customer_id AND m.segment_id = one.segment_id
        RETURNING m.*
    )
    SELECT {_TOLD} FROM gone
    """
).bindparams(*_PAIRS)
_COUNT = text(
    """
    INSERT INTO segment_counts (segment_id, lane, members, counted_at)
    SELECT *, clock_timestamp() FROM unnest(:segments, :lanes, :differences)
    ON CONFLICT (segment_id, lane)
    DO UPDATE SET members = segment_counts.members + excluded.members, counted_at = excluded.counted_at
    """
).bindparams(
    bindparam("segments", type_=ARRAY(Uuid)), bindparam("lanes", type_=ARRAY(Integer)), bindparam("differences", type_=ARRAY(BigInteger))
)
# Members of static segments who are hidden and should not be, or the other way round.
_MISPLACED = text(
    """
    SELECT m.customer_id, m.segment_id, m.entered_at
    FROM segment_members m JOIN customers c ON c.id = m.customer_id
    WHERE m.customer_id = ANY(:customers) AND m.segment_id = ANY(:segments) AND (m.entered_at IS NULL) = (c.deleted_at IS NULL)
    ORDER BY m.customer_id, m.segment_id
    """
).bindparams(*_PAIRS)
_PLACE = text(
    """
    UPDATE segment_members m SET entered_at = CASE WHEN m.entered_at IS NULL THEN CAST(:now AS timestamptz) END
    FROM unnest(:customers, :segments) AS one (customer_id, segment_id)
    WHERE m.customer_id = one.customer_id AND m.segment_id = one.segment_id
    """
).bindparams(*_PAIRS, bindparam("now", type_=Timestamp))


def keep_segments(db: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Those of `ids` that there are: none of them goes up to the end of the transaction."""
    return set(db.execute(_KEEP, {"ids": list(ids)}).scalars())


def insert_members(db: Connection, pairs: Sequence[Pair], now: datetime) -> Sequence[Row[Any]]:
    """Those that were none: customer, segment, since when, and the lane."""
    return db.execute(_INSERT, {**_columns(pairs), "now": now}).all()


def delete_members(db: Connection, pairs: Sequence[Pair]) -> Sequence[Row[Any]]:
    """Those that were some, as `insert_members` gives them."""
    return db.execute(_DELETE, _columns(pairs)).all()


def add_to_counts(unit: UnitOfWork, differences: Counter[tuple[UUID, int]]) -> None:
    """By segment and lane."""
    changed = sorted((key, difference) for key, difference in differences.items() if difference)
    if changed:
        values = {
            "segments": [segment for (segment, _), _ in changed],
            "lanes": [lane for (_, lane), _ in changed],
            "differences": [difference for _, difference in changed],
        }
        unit.connection.execute(_COUNT, values)


def list_misplaced(db: Connection, customers: Collection[UUID], segments: Collection[UUID]) -> Sequence[Row[Any]]:
    """Of static segments: members of deleted customers who are not hidden, and hidden ones of living customers."""
    return db.execute(_MISPLACED, {"customers": list(customers), "segments": list(segments)}).all()


def place_members(db: Connection, pairs: Sequence[Pair], now: datetime) -> None:
    """Hide those who are not hidden, and show those who are."""
    db.execute(_PLACE, {**_columns(pairs), "now": now})


def _columns(pairs: Iterable[Pair]) -> dict[str, list[UUID]]:
    ordered = sorted(pairs)
    return {"customers": [customer for customer, _ in ordered], "segments": [segment for _, segment in ordered]}
