"""A customer as plain values: one row of the table, and which of its fields are whose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID


# A tuple, since imports make millions of them: in a fifth of the time of a frozen dataclass, which sets each of its fields by a call.
class CustomerRecord(NamedTuple):
    """The columns that a read needs, in the order in which they are selected."""

    id: UUID
    kind: str
    display_name: str | None
    given_name: str | None
    family_name: str | None
    organization_name: str | None
    organization_id: UUID | None
    email: str | None
    phone: str | None
    alternate_emails: list[str]
    alternate_phones: list[str]
    birthday: date | None
    gender: str | None
    locale: str | None
    time_zone: str | None
    country: str | None
    addresses: list[dict[str, Any]]
    tags: list[str]
    status: str
    lifecycle_stage: str | None
    owner: str | None
    source: str | None
    external_ids: dict[str, str]
    attributes: dict[str, Any]
    contact_count: int
    first_contact_at: datetime | None
    last_contact_at: datetime | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    order_count: int
    order_total: dict[str, str]
    first_order_at: datetime | None
    last_order_at: datetime | None
    version: int
    metrics_version: int
    created_at: datetime
    updated_at: datetime
    source_updated_at: datetime | None
    deleted_at: datetime | None
    xid: int

    @property
    def tag(self) -> str:
        """The inside of the ETag."""
        return f"{self.version}.{self.metrics_version}"


@dataclass(frozen=True, slots=True)
class ShownCustomer:
    """What a read of one customer answers: its JSON, None where the caller has it already, and what decides about it."""

    json: str | None
    id: UUID
    version: int
    metrics_version: int
    deleted_at: datetime | None

    @property
    def tag(self) -> str:
        """The inside of the ETag."""
        return f"{self.version}.{self.metrics_version}"


KINDS = ("person", "organization")
STATUSES = ("active", "inactive", "blocked")

# What callers may write, and with it what makes a change effective.
WRITABLE = (
    "kind",
    "display_name",
    "given_name",
    "family_name",
    "organization_name",
    "organization_id",
    "email",
    "phone",
    "alternate_emails",
    "alternate_phones",
    "birthday",
    "gender",
    "locale",
    "time_zone",
    "country",
    "addresses",
    "tags",
    "status",
    "lifecycle_stage",
    "owner",
    "source",
    "external_ids",
    "attributes",
    "source_updated_at",
)

# What an event of a new customer tells: all that is shown but the metrics, which have events of their own.
TOLD = ("id", *WRITABLE, "version", "created_at", "updated_at", "deleted_at")

# What is shown, in its order. `metrics` is no column, but all of METRICS as an object, without their version.
SHOWN = ("id", *WRITABLE[:-1], "metrics", "version", "created_at", "updated_at", "source_updated_at", "deleted_at")

# Kept by the contact history, never by a write of the customer.
METRICS = (
    "contact_count",
    "first_contact_at",
    "last_contact_at",
    "last_inbound_at",
    "last_outbound_at",
    "order_count",
    "order_total",
    "first_order_at",
    "last_order_at",
    "metrics_version",
)

# What follows from a customer's fields and is never shown.
DERIVED = ("email_key", "search_text", "search_grams")

# All columns of the row, as they are written.
STORED = (*CustomerRecord._fields, *DERIVED, "synced_digest")
