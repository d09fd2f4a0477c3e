"""From the text of a token to its caller, fast enough for every request and never far behind a revocation."""

from __future__ import annotations

import hmac
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cachetools import TTLCache

from app.config import Config
from app.core import logs
from app.core.caller import Caller
from app.db import failures
from app.db.engines import Database
from app.tokens import queries, secrets

# A revocation holds within 5 s on every process; this leaves room for a slow look-up.
_TTL_SECONDS = 3.0
_CACHE_SIZE = 10_000

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    scopes: frozenset[str]
    secret_hash: bytes
    previous_secret_hash: bytes | None
    previous_expires_at: datetime | None
    expires_at: datetime | None


class TokenLookUp:
    """The look-up of one process. Tokens, and ids that are none, are remembered for three seconds."""

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._deadline = config.request_deadline
        self._cache: TTLCache[UUID, _Known | None] = TTLCache(_CACHE_SIZE, _TTL_SECONDS)
        self._lock = threading.Lock()

    def __call__(self, text: str, request_id: str) -> Caller | None:
        """The caller, None where `text` opens nothing; whether it is malformed, unknown, wrong or expired is not told apart."""
        token = secrets.read(text)
        if token is None:
            return None
        known = self._known(token)
        if known is None or not _opens(known, token.secret):
            return None
        return Caller(token_id=token.token_id, name=known.name, scopes=known.scopes, request_id=request_id)

    def _known(self, token: secrets.TokenText) -> _Known | None:
        with self._lock:
            if token.token_id in self._cache:
                return self._cache[token.token_id]
        with self._database.lease(time.monotonic() + self._deadline) as connection:
            row = queries.get_token_by_id(connection, token.token_id)
            known = None
            if row is not None:
                known = _Known(
                    name=row.name,
                    scopes=frozenset(row.scopes),
                    secret_hash=row.secret_hash,
                    previous_secret_hash=row.previous_secret_hash,
                    previous_expires_at=row.previous_expires_at,
                    expires_at=row.expires_at,
                )
                if _opens(known, token.secret):
                    try:
                        queries.touch_token(connection, token.token_id)
                    except failures.DATABASE_ERRORS as error:
                        # A full disk or a standby: reads go on without the note.
                        _log.warning("last_used_not_noted", token_id=str(token.token_id), exc_info=error)
        with self._lock:
            self._cache[token.token_id] = known
        return known


def _opens(known: _Known, secret: str) -> bool:
    now = datetime.now(UTC)
    if known.expires_at is not None and known.expires_at <= now:
        return False
    given = secrets.digest(secret)
    if hmac.compare_digest(known.secret_hash, given):
        return True
    if known.previous_secret_hash is None or known.previous_expires_at is None or known.previous_expires_at <= now:
        return False
    return hmac.compare_digest(known.previous_secret_hash, given)
