"""The tables of interactions and of their external ids."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Integer, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import NOW, Exact, Timestamp, Xid8

_LIVING = text("deleted_at IS NULL")


class ContactHistoryEntry(Base):
    """One interaction. The customer's id comes first in the key, so that the table can be distributed together with the customers.

    Withdrawn rows are in no index that a list of the living reads, nor in those that find what a minimum or maximum falls back to.
    """

    __tablename__ = "contact_history"
    __table_args__ = (
        PrimaryKeyConstraint("customer_id", "id"),
        ForeignKeyConstraint(["customer_id"], ["customers.id"], ondelete="CASCADE"),
        CheckConstraint("direction IN ('inbound', 'outbound', 'internal')", name="direction"),
        CheckConstraint("amount IS NULL OR currency IS NOT NULL", name="currency"),
        CheckConstraint("external_id IS NULL OR source IS NOT NULL", name="source"),
        CheckConstraint("version > 0", name="version"),
        # By its id alone, when nobody says whose it is.
        Index("ix_contact_history_id", "id"),
        # The timeline; first and last contact.
        Index("ix_contact_history_timeline", "customer_id", "occurred_at", "id", postgresql_where=_LIVING),
        # The timeline of one kind; first and last order.
        Index("ix_contact_history_kind", "customer_id", "kind", "occurred_at", "id", postgresql_where=_LIVING),
        # The timeline of one direction; last inbound and outbound.
        Index(
            "ix_contact_history_direction",
            "customer_id",
            "direction",
            "occurred_at",
            "id",
            postgresql_where=text("deleted_at IS NULL AND direction IS NOT NULL"),
        ),
        # Over all customers.
        Index("ix_contact_history_occurred_at", "occurred_at", "id", postgresql_where=_LIVING),
        Index(
            "ix_contact_history_agent",
            "agent",
            "occurred_at",
            "id",
            postgresql_where=text("deleted_at IS NULL AND agent IS NOT NULL"),
        ),
        # Orders and the like have no text; they must not pay for those that have.
        Index(
            "ix_contact_history_search_grams",
            "search_grams",
            postgresql_using="gin",
            postgresql_where=text("deleted_at IS NULL AND search_text <> ''"),
        ),
        # The rare ones, for whoever wants to bring one back.
        Index("ix_contact_history_deleted", "occurred_at", "id", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: Mapped[UUID]
    customer_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(Text)
    direction: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    agent: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(Timestamp)
    duration_seconds: Mapped[int | None] = mapped_column(Integer)
    amount: Mapped[str | None] = mapped_column(Exact)
    currency: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    external_id: Mapped[str | None] = mapped_column(Text)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))

    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW)
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)

    # Never shown: what `q` looks in, and the fence of app.db.unit_of_work.
    search_text: Mapped[str] = mapped_column(Text)
    search_grams: Mapped[list[str]] = mapped_column(ARRAY(Text))
    xid: Mapped[int] = mapped_column(Xid8)
    # Of the import's line that alone has made the row what it is; every other write clears it. The same line again changes nothing.
    synced_digest: Mapped[bytes | None] = mapped_column(LargeBinary)


class ContactHistoryKey(Base):
    """An external id and the interaction it stands for. No foreign key: the two tables are distributed differently."""

    __tablename__ = "contact_history_keys"
    __table_args__ = (PrimaryKeyConstraint("source", "external_id"),)

    source: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    customer_id: Mapped[UUID]
    entry_id: Mapped[UUID]
