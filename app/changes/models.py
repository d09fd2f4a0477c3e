"""The tables of the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, PrimaryKeyConstraint, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import NOW, Timestamp, WrittenJson, Xid8


class Event(Base):
    """One effective write. `xid` is the id of the transaction that appends it; the feed's order is `(xid, id)`."""

    __tablename__ = "events"
    __table_args__ = (
        PrimaryKeyConstraint("xid", "id"),
        Index("ix_events_subject", "subject", "xid", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    # CloudEvents' `id`: one of ours and not the number, which would come again after a restore.
    event_id: Mapped[UUID]
    type: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    # Whose event it is, where it is a customer's: his own, and those of his interactions and memberships.
    customer_id: Mapped[UUID | None]
    # Kept as they are sent: of their inside nothing is asked but whose segment it is, and jsonb costs nearly twice as much to write and
    # three times as much to read.
    actor: Mapped[dict[str, Any]] = mapped_column(WrittenJson)
    request_id: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW)
    data: Mapped[dict[str, Any]] = mapped_column(WrittenJson)


class FeedEpoch(Base):
    """The one row that says which life of the database positions belong to."""

    __tablename__ = "feed_epoch"
    __table_args__ = (CheckConstraint("one = 1", name="one_row"),)

    one: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)
    # The server's own identifier; another one means that the data was moved or restored. NULL where it may not be read.
    system_identifier: Mapped[str | None] = mapped_column(Text)
