"""What a call that syncs something by another system's id may do, and what it did."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple
from uuid import UUID


class Mode(Enum):
    """What an upsert may do."""

    UPSERT = "upsert"
    CREATE = "create"
    UPDATE = "update"


class Outcome(Enum):
    """What a write did. STALE: what is stored is newer by the source's own time, so nothing."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"
    DELETED = "deleted"
    FAILED = "failed"


# A tuple, since imports look up millions of them: hashed in C, where a dataclass costs four times as much.
class ExternalKey(NamedTuple):
    """The id by which another system, `source`, knows something of ours."""

    source: str
    external_id: str


class Op(Enum):
    """What an item of a batch asks for."""

    UPSERT = "upsert"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


# A tuple for the same reason.
class Done(NamedTuple):
    """What became of one item among many. What could not be done is a KehuError in its place."""

    outcome: Outcome
    id: UUID
    version: int
    # Whether the thing is deleted now, by this write or by one before.
    is_gone: bool = False
