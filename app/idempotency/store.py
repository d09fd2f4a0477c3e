"""Claiming a key, keeping the answer, giving it again, and forgetting it after a day."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import Connection, bindparam, delete, func, select, text, tuple_, update
from sqlalchemy.dialects import postgresql

from app.core import logs
from app.core.errors import Conflict, FieldFault, Invalid, Outrun
from app.core.idempotency import Key, StoredAnswer
from app.db import failures
from app.db.base import table_of
from app.db.engines import Database
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork
from app.idempotency.models import IdempotencyKey

KEPT_FOR = timedelta(hours=24)

# A key in 100 pays for taking away 200 that are older than a day, so the table shrinks faster than it grows, without a clock.
_SWEEP_EVERY = 100
_SWEEP_AT_MOST = 200

_log = logs.get(__name__)

_KEYS = table_of(IdempotencyKey)
_IS_THIS = (_KEYS.c.token_id == bindparam("of_token")) & (_KEYS.c.key == bindparam("of_key"))
_CLAIMED = ("token_id", "key", "fingerprint", "created_at")
_CLAIM = Prepared(
    postgresql.insert(_KEYS)
    .values({name: bindparam(name, type_=_KEYS.c[name].type) for name in _CLAIMED})
    .on_conflict_do_nothing(index_elements=["token_id", "key"])
)
_READ = select(_KEYS.c.fingerprint, _KEYS.c.created_at, _KEYS.c.answer, _KEYS.c.secret_id).where(_IS_THIS)
_KEEP = Prepared(
    update(_KEYS).where(_IS_THIS).values({name: bindparam(name, type_=_KEYS.c[name].type) for name in ("answer", "secret_id")})
)
_DROP = delete(_KEYS).where(_IS_THIS)
_OLD = (
    select(_KEYS.c.token_id, _KEYS.c.key)
    .where(_KEYS.c.created_at < func.now() - text("interval '24 hours'"))
    .order_by(_KEYS.c.created_at)
    .limit(_SWEEP_AT_MOST)
    # Others sweep too: each takes rows that nobody else is at.
    .with_for_update(skip_locked=True)
)
_SWEEP = delete(_KEYS).where(tuple_(_KEYS.c.token_id, _KEYS.c.key).in_(_OLD))


class KeyStore:
    """The keys, as one process sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept = 0
        self._lock = threading.Lock()

    def claim(self, unit: UnitOfWork, key: Key) -> StoredAnswer | None:
        """None: the key is ours, and the write is to be executed. Else what was answered when it was.

        Waits for a twin that is being executed, up to the lock time-out. Raises Conflict idempotency_in_progress after that,
        secret_shown_once where the answer cannot be given again, and Invalid where the key stands for another request.
        """
        row = {"token_id": key.token_id, "key": key.text, "fingerprint": key.fingerprint, "created_at": unit.now}
        try:
            claimed = _CLAIM.run(unit.connection, row)
        except failures.DATABASE_ERRORS as error:
            if failures.is_lock_timeout(error):
                raise Conflict("idempotency_in_progress", retry_after=1) from error
            raise
        return None if claimed else self._stored(unit, key)

    def keep(self, unit: UnitOfWork, key: Key, answer: StoredAnswer) -> None:
        """Complete the claimed row by the answer."""
        values = {"answer": answer.content, "secret_id": answer.secret_id, "of_token": key.token_id, "of_key": key.text}
        _KEEP.run(unit.connection, values)

    def tidy(self, until: float) -> None:
        """To be called after each keyed write: now and then takes away keys older than a day. Never fails the caller."""
        with self._lock:
            self._kept += 1
            if self._kept % _SWEEP_EVERY:
                return
        try:
            with self._database.lease(until) as connection:
                sweep(connection)
        except failures.DATABASE_ERRORS as error:
            _log.warning("keys_not_swept", exc_info=error)

    def _stored(self, unit: UnitOfWork, key: Key) -> StoredAnswer | None:
        where = {"of_token": key.token_id, "of_key": key.text}
        row = unit.connection.execute(_READ, where).one_or_none()
        if row is None:
            # Swept, or rolled back, between our two statements.
            raise Outrun
        if row.created_at <= unit.now - KEPT_FOR:
            # Not swept yet, and forgotten all the same.
            unit.connection.execute(_DROP, where)
            return self.claim(unit, key)
        if row.fingerprint != key.fingerprint:
            detail = "This key was sent with another request; take a new one for each write."
            raise Invalid([FieldFault("header.Idempotency-Key", "idempotency_key_reused", detail)], code="idempotency_key_reused")
        if row.secret_id is not None:
            raise Conflict("secret_shown_once", id=row.secret_id)
        return StoredAnswer(content=row.answer)


def sweep(connection: Connection) -> int:
    """Take away up to 200 of the keys older than a day, the oldest first; how many those were."""
    return connection.execute(_SWEEP).rowcount
