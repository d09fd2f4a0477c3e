"""An interaction as plain values: one row of the table, and which of its fields are whose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.core.syncing import ExternalKey

DIRECTIONS = ("inbound", "outbound", "internal")


# A tuple, since imports make millions of them: in a quarter of the time that a frozen dataclass of so many fields takes.
class EntryRecord(NamedTuple):
    """The columns that a read needs, in the order in which they are selected."""

    id: UUID
    customer_id: UUID
    kind: str
    channel: str | None
    direction: str | None
    subject: str | None
    body: str | None
    outcome: str | None
    agent: str | None
    occurred_at: datetime
    duration_seconds: int | None
    amount: str | None
    currency: str | None
    source: str | None
    external_id: str | None
    attributes: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    xid: int

    @property
    def tag(self) -> str:
        """The inside of the ETag."""
        return str(self.version)

    @property
    def key(self) -> ExternalKey | None:
        """The external id it is known by; None where it has none."""
        if self.source is None or self.external_id is None:
            return None
        return ExternalKey(self.source, self.external_id)


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """What a read of one interaction answers: its JSON, and what decides about it."""

    # None where the caller has it already.
    json: str | None
    id: UUID
    customer_id: UUID
    version: int
    deleted_at: datetime | None
    customer_deleted_at: datetime | None

    @property
    def tag(self) -> str:
        """The inside of the ETag."""
        return str(self.version)


@dataclass(frozen=True, slots=True)
class FoundEntry:
    """An interaction, withdrawn or not, and since when its customer is deleted."""

    entry: EntryRecord
    customer_deleted_at: datetime | None


# What callers may write, and with it what makes a change effective. Beside these an interaction can be moved to another customer.
WRITABLE = (
    "kind",
    "channel",
    "direction",
    "subject",
    "body",
    "outcome",
    "agent",
    "occurred_at",
    "duration_seconds",
    "amount",
    "currency",
    "source",
    "external_id",
    "attributes",
)

# What an event of a new one tells: all that is shown, which is all but the last.
TOLD = EntryRecord._fields[:-1]

# What is made from its fields and never shown.
DERIVED = ("search_text", "search_grams")

# The row, as it is written.
STORED = (*EntryRecord._fields, *DERIVED, "synced_digest")
