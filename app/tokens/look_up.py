"""From the text of a token to its caller, fast enough for every request and never far behind a revocation."""

from __future__ import annotations

import hmac
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cachetools import TTLCache
from sqlalchemy import Connection, Row

from app.config import Config
from app.core import logs
from app.core.caller import Caller
from app.db import failures
from app.db.engines import Database
from app.tokens import queries, secrets

# A revocation holds within 5 s on every process: what a look-up found is remembered for so long, unless the look-up itself took longer
# than the rest.
_TTL_SECONDS = 3.0
_LOOK_UP_SECONDS = 1.5
_CACHE_SIZE = 10_000

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a secret opens, and up to when; None: for ever."""

    token_id: UUID
    name: str
    scopes: frozenset[str]
    expires_at: datetime | None

    @property
    def holds(self) -> bool:
        return self.expires_at is None or self.expires_at > datetime.now(UTC)


# Nothing is known of a text, not even that it opens nothing.
_UNHEARD: Any = object()


class TokenLookUp:
    """The look-up of one process. What a text opens, and that it opens nothing, is remembered for three seconds.

    By the whole text and not by id alone, since after a rotation the new secret has to open at once.
    """

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._deadline = config.request_deadline
        self._cache: TTLCache[bytes, _Known | None] = TTLCache(_CACHE_SIZE, _TTL_SECONDS)
        self._lock = threading.Lock()

    def __call__(self, text: str, request_id: str) -> Caller | None:
        """The caller, None where `text` opens nothing; whether it is malformed, unknown, wrong or expired is not told apart."""
        # Not by the text itself: no secret stays in the memory of the process.
        key = secrets.digest(text)
        with self._lock:
            known = self._cache.get(key, _UNHEARD)
        if known is _UNHEARD:
            token = secrets.read(text)
            if token is None:
                return None
            known = self._look_up(key, token.token_id, secrets.digest(token.secret))
        if known is None or not known.holds:
            return None
        return Caller(token_id=known.token_id, name=known.name, scopes=known.scopes, request_id=request_id)

    def _look_up(self, key: bytes, token_id: UUID, given: bytes) -> _Known | None:
        began = time.monotonic()
        with self._database.lease(began + self._deadline) as connection:
            known = _opened(queries.get_token_by_id(connection, token_id), given)
            if known is not None and known.holds:
                _touch(connection, token_id)
        if time.monotonic() - began < _LOOK_UP_SECONDS:
            with self._lock:
                self._cache[key] = known
        return known


def _opened(row: Row[Any] | None, given: bytes) -> _Known | None:  # Any: the columns of a token
    """What the secret with the hash `given` opens, None where nothing, be it expired or not."""
    if row is None:
        return None
    expires_at: datetime | None = row.expires_at
    if not hmac.compare_digest(row.secret_hash, given):
        until: datetime | None = row.previous_expires_at
        if until is None or not hmac.compare_digest(row.previous_secret_hash, given):
            return None
        expires_at = until if expires_at is None else min(until, expires_at)
    return _Known(token_id=row.id, name=row.name, scopes=frozenset(row.scopes), expires_at=expires_at)


def _touch(connection: Connection, token_id: UUID) -> None:
    try:
        queries.touch_token(connection, token_id)
    except failures.DATABASE_ERRORS as error:
        # A full disk or a standby: reads go on without the note.
        _log.warning("last_used_not_noted", token_id=str(token_id), exc_info=error)
