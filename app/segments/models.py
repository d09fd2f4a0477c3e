"""The tables of segments, of who is in them, and of how far the worker is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import Timestamp, Xid8


class Segment(Base):
    """A definition. On Citus a reference table; what changes with every evaluation is therefore not in it."""

    __tablename__ = "segments"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("kind IN ('dynamic', 'static')", name="kind"),
        CheckConstraint("(kind = 'dynamic') = (rule_text IS NOT NULL)", name="rule_text"),
        CheckConstraint("version > 0", name="version"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    # The rule as the language's printer writes it; its JSON is made from it. Not kept as JSONB, which would not keep numbers as they came.
    rule_text: Mapped[str | None] = mapped_column(Text)
    # What the rule names, so that nothing of it can be taken away: custom attributes by name, segments by id.
    attributes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    segments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    # The fence of app.db.unit_of_work.
    xid: Mapped[int] = mapped_column(Xid8)


class SegmentState(Base):
    """How far a segment's members are what its rule says.

    `wanted` is raised by whatever makes every customer worth a look: a new rule, also that of a segment it names, or a moment by which
    all may turn at once. The worker fills the segment and then says which `wanted` it has met; until then the segment is `filling`.
    """

    __tablename__ = "segment_states"

    segment_id: Mapped[UUID] = mapped_column(primary_key=True)
    wanted: Mapped[int] = mapped_column(BigInteger)
    filled: Mapped[int] = mapped_column(BigInteger)
    # Of a static segment: the fence of its members, whose writers take turns at this row.
    xid: Mapped[int] = mapped_column(Xid8)


class SegmentLane(Base):
    """One part of all customers, by the hash of their ids, whose memberships are decided by one transaction at a time.

    All that the lane's customers have done up to the event `(xid, event_id)`, and all that time has done to them up to `evaluated_at`, is
    in its members; these three move in the transaction of the events that tell of it.
    """

    __tablename__ = "segment_lanes"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    xid: Mapped[int] = mapped_column(Xid8)
    event_id: Mapped[int] = mapped_column(BigInteger)
    # NULL before the first evaluation.
    evaluated_at: Mapped[datetime | None] = mapped_column(Timestamp)
    # The fence of app.db.unit_of_work: of the last transaction that had the lane.
    fence: Mapped[int] = mapped_column(Xid8)


class SegmentCount(Base):
    """How many members a segment has in a lane; all of a static one stand in lane 0."""

    __tablename__ = "segment_counts"
    __table_args__ = (PrimaryKeyConstraint("segment_id", "lane"),)

    segment_id: Mapped[UUID]
    lane: Mapped[int] = mapped_column(SmallInteger)
    members: Mapped[int] = mapped_column(BigInteger)
    # When the number was last another one.
    counted_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class SegmentMember(Base):
    """Who is in a segment, as the events have told: of a dynamic one kept by the worker, of a static one by its writers.

    No foreign key to the segments, which are distributed differently; members of a segment that is gone are cleared by the worker.
    """

    __tablename__ = "segment_members"
    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "segment_id"),
        ForeignKeyConstraint(["customer_id"], ["customers.id"], ondelete="CASCADE"),
        Index("ix_segment_members_segment", "segment_id", "customer_id"),
    )

    customer_id: Mapped[UUID]
    segment_id: Mapped[UUID]
    # NULL, of a static segment only, while the customer is deleted: the member is told to have left, and comes back with the customer.
    entered_at: Mapped[datetime | None] = mapped_column(Timestamp)
