"""The tables of customers and of their external ids."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base
from app.db.columns import NOW, Timestamp, Xid8

_EMPTY_ARRAY = text("'{}'")
_EMPTY_OBJECT = text("'{}'")
_EMPTY_LIST = text("'[]'")


class Customer(Base):
    """One row holds what one GET answers. The only unique constraint is the primary key, so that the table can be distributed by it."""

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("kind IN ('person', 'organization')", name="kind"),
        CheckConstraint("status IN ('active', 'inactive', 'blocked')", name="status"),
        CheckConstraint("version > 0 AND metrics_version >= 0", name="versions"),
        Index("ix_customers_created_at", "created_at", "id"),
        Index("ix_customers_updated_at", "updated_at", "id"),
        Index("ix_customers_country", "country", "updated_at", "id"),
        Index("ix_customers_owner", "owner", "updated_at", "id", postgresql_where=text("owner IS NOT NULL")),
        Index("ix_customers_email_key", "email_key", postgresql_where=text("email_key IS NOT NULL")),
        Index("ix_customers_phone", "phone", postgresql_where=text("phone IS NOT NULL")),
        Index("ix_customers_tags", "tags", postgresql_using="gin"),
        Index("ix_customers_search_grams", "search_grams", postgresql_using="gin"),
        # The rare ones: a page of the deleted must not walk over all the living.
        Index("ix_customers_deleted", "deleted_at", "id", postgresql_where=text("deleted_at IS NOT NULL")),
        # Room for the updates of the metrics, whose columns are in no index.
        {"postgresql_with": {"fillfactor": 85}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str | None] = mapped_column(Text)
    given_name: Mapped[str | None] = mapped_column(Text)
    family_name: Mapped[str | None] = mapped_column(Text)
    organization_name: Mapped[str | None] = mapped_column(Text)
    organization_id: Mapped[UUID | None]
    email: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    alternate_emails: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_EMPTY_ARRAY)
    alternate_phones: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_EMPTY_ARRAY)
    birthday: Mapped[date | None]
    gender: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    time_zone: Mapped[str | None] = mapped_column(Text)
    country: Mapped[str | None] = mapped_column(Text)
    addresses: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=_EMPTY_LIST)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_EMPTY_ARRAY)
    status: Mapped[str] = mapped_column(Text, server_default="active")
    lifecycle_stage: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    # A copy of this customer's rows of customer_keys, so that one row answers one GET.
    external_ids: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=_EMPTY_OBJECT)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=_EMPTY_OBJECT)

    # Kept by the contact history.
    contact_count: Mapped[int] = mapped_column(Integer, server_default="0")
    first_contact_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_contact_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_inbound_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_outbound_at: Mapped[datetime | None] = mapped_column(Timestamp)
    order_count: Mapped[int] = mapped_column(Integer, server_default="0")
    order_total: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=_EMPTY_OBJECT)
    first_order_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_order_at: Mapped[datetime | None] = mapped_column(Timestamp)

    version: Mapped[int] = mapped_column(BigInteger)
    metrics_version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW)
    source_updated_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)

    # Never shown: the e-mail without case, what `q` looks in, and the fence of app.db.unit_of_work.
    email_key: Mapped[str | None] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)
    search_grams: Mapped[list[str]] = mapped_column(ARRAY(Text))
    xid: Mapped[int] = mapped_column(Xid8)
    # Of the import's line that alone has made the row what it is; every other write clears it. The same line again changes nothing.
    synced_digest: Mapped[bytes | None] = mapped_column(LargeBinary)


class CustomerKey(Base):
    """An external id and the customer it stands for. No foreign key: the two tables are distributed differently."""

    __tablename__ = "customer_keys"
    __table_args__ = (PrimaryKeyConstraint("source", "external_id"),)

    source: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    customer_id: Mapped[UUID]
