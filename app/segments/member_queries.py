"""Statements on the members of a static segment, for whoever holds its state's row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Uuid, any_, bindparam, delete, select, text, update

from app.customers.models import Customer
from app.db.base import table_of
from app.db.columns import Timestamp
from app.segments.models import SegmentMember, SegmentState

_MEMBERS = table_of(SegmentMember)
_STATES = table_of(SegmentState)
_IDS = bindparam("ids", type_=ARRAY(Uuid))

_LOCK = select(SegmentState.xid).where(SegmentState.segment_id == bindparam("key")).with_for_update()
_NOTE = update(_STATES).where(_STATES.c.segment_id == bindparam("key")).values(xid=bindparam("own_xid", type_=_STATES.c.xid.type))
_CUSTOMERS = select(Customer.id, Customer.deleted_at).where(Customer.id == any_(_IDS))
_OF_SEGMENT = (_MEMBERS.c.segment_id == bindparam("key"), _MEMBERS.c.customer_id == any_(_IDS))
_ENTERED = select(_MEMBERS.c.customer_id, _MEMBERS.c.entered_at).where(*_OF_SEGMENT)
_DELETE = delete(_MEMBERS).where(*_OF_SEGMENT)
_UPSERT = text(
    """
    INSERT INTO segment_members (customer_id, segment_id, entered_at)
    SELECT customer_id, :key, entered_at FROM unnest(:ids, :times) AS sent (customer_id, entered_at)
    ON CONFLICT (customer_id, segment_id) DO UPDATE SET entered_at = excluded.entered_at
    """
).bindparams(_IDS, bindparam("key", type_=Uuid), bindparam("times", type_=ARRAY(Timestamp)))
# All members of a static segment are counted in lane 0.
_COUNT = text(
    """
    INSERT INTO segment_counts AS counted (segment_id, lane, members, counted_at) VALUES (:key, 0, :more, clock_timestamp())
    ON CONFLICT (segment_id, lane) DO UPDATE SET members = counted.members + excluded.members, counted_at = excluded.counted_at
    """
).bindparams(bindparam("key", type_=Uuid))


def lock_state(db: Connection, segment_id: UUID) -> int | None:
    """The xid of the last writer of its members; None where there is no such segment any more."""
    found: int | None = db.execute(_LOCK, {"key": segment_id}).scalar_one_or_none()
    return found


def note_writer(db: Connection, segment_id: UUID, xid: int) -> None:
    db.execute(_NOTE, {"key": segment_id, "own_xid": xid})


def list_deleted_at(db: Connection, ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """Of the customers that there are, when they were deleted; None of those who live."""
    return {row.id: row.deleted_at for row in db.execute(_CUSTOMERS, {"ids": list(ids)})}


def list_entered_at(db: Connection, segment_id: UUID, ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """Of those among `ids` who are members."""
    return {row.customer_id: row.entered_at for row in db.execute(_ENTERED, {"key": segment_id, "ids": list(ids)})}


def upsert_members(db: Connection, segment_id: UUID, entered: Mapping[UUID, datetime]) -> None:
    if entered:
        db.execute(_UPSERT, {"key": segment_id, "ids": list(entered), "times": list(entered.values())})


def delete_members(db: Connection, segment_id: UUID, ids: Collection[UUID]) -> None:
    if ids:
        db.execute(_DELETE, {"key": segment_id, "ids": list(ids)})


def add_to_count(db: Connection, segment_id: UUID, more: int) -> None:
    if more:
        db.execute(_COUNT, {"key": segment_id, "more": more})
