"""A segment's definition as plain values: one row of the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

DYNAMIC = "dynamic"
STATIC = "static"
KINDS = (DYNAMIC, STATIC)

# What an event of a new segment tells; `rule` in JSON would say the same once more.
TOLD = ("id", "name", "description", "kind", "rule_text", "version", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Definition:
    """The columns of the table, in the order in which they are selected."""

    id: UUID
    name: str
    description: str | None
    kind: str
    # None of a static one.
    rule_text: str | None
    # What the rule names: custom attributes by name, other segments by id.
    attributes: list[str]
    segments: list[UUID]
    version: int
    created_at: datetime
    updated_at: datetime
    xid: int
