"""What one of all workers does at a time, such as filling a segment: claimed without a transaction, which the feed would wait for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import text

from app.db.engines import Database

# Any number that is only ours.
_CLASS = 0x7365676D
_CLAIM_SECONDS = 10.0
_TRY = text("SELECT pg_try_advisory_lock(:class, :key)").bindparams(**{"class": _CLASS})
_FREE = text("SELECT pg_advisory_unlock(:class, :key)").bindparams(**{"class": _CLASS})


@contextmanager
def claimed(database: Database, key: int) -> Iterator[bool]:
    """Whether `key`, of 31 bits, is ours meanwhile. Where the connection dies somebody else may claim it too: what is done does not
    depend on it, but is done once."""
    # With the session goes the claim.
    with database.session() as session:
        with session.watched(_CLAIM_SECONDS):
            is_ours = bool(session.connection.scalar(_TRY, {"key": key}))
        yield is_ours
        if is_ours:
            with session.watched(_CLAIM_SECONDS):
                session.connection.execute(_FREE, {"key": key})


def key_of(segment_id: UUID) -> int:
    """Never 0; that two segments have the same matters little."""
    return (segment_id.int & 0x3FFFFFFF) + 1
