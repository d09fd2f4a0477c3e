"""What a caller's idempotency key is, and what is kept under it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Key:
    """A caller's key, and the print of the request that it was sent with; both belong to the token's id, which rotation keeps."""

    token_id: UUID
    text: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered, as the edge wrote it. `content` None: it held a secret that belongs to `secret_id`."""

    content: bytes | None
    secret_id: UUID | None = None
