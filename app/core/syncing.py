"""What a call that syncs something by another system's id may do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """What an upsert may do."""

    UPSERT = "upsert"
    CREATE = "create"
    UPDATE = "update"


class Outcome(Enum):
    """What an upsert did. STALE: what is stored is newer by the source's own time, so nothing."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """The id by which another system, `source`, knows something of ours."""

    source: str
    external_id: str
