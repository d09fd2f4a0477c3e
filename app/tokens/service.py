"""What can be done with tokens. None may give away what it lacks itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from app.changes.log import Change, append, subject_of
from app.core.caller import Caller
from app.core.errors import FieldFault, Forbidden, Invalid, NotFound, Unauthenticated
from app.core.ids import new_id
from app.db.unit_of_work import UnitOfWork
from app.tokens import queries, secrets

# Any: the columns of a row.


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token as callers see it; `token`, its text, only where it was just made."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_expires_at: datetime | None
    token: str | None = None


def create(unit: UnitOfWork, caller: Caller, *, name: str, scopes: Sequence[str], expires_at: datetime | None) -> ShownToken:
    """A new token. Raises Forbidden for a scope that the caller lacks, Invalid where it would be expired from the start."""
    _refuse_revoked(unit, caller)
    _refuse_scopes_not_held(caller, scopes)
    if expires_at is not None and expires_at <= unit.now:
        raise Invalid([FieldFault("/expires_at", "in_the_past", "This has to lie in the future.")])
    secret = secrets.make_secret()
    values: dict[str, Any] = {
        "id": new_id(),
        "name": name,
        "scopes": sorted(set(scopes)),
        "created_at": unit.now,
        "expires_at": expires_at,
    }
    queries.insert_token(unit.connection, {**values, "secret_hash": secrets.digest(secret)})
    append(unit, caller, [Change("token.created", _subject(values["id"]), None, values, tuple(values))])
    return ShownToken(**values, last_used_at=None, previous_expires_at=None, token=secrets.write(values["id"], secret))


def get(db: Connection, *, token_id: UUID) -> ShownToken:
    """Raises NotFound."""
    return _shown(_found(queries.get_token_by_id(db, token_id)))


def list_page(db: Connection, *, after: tuple[Any, ...] | None, count: int) -> list[ShownToken]:
    """At most `count` tokens, newest first."""
    place = (after[0], after[1]) if after is not None else None
    return [_shown(row) for row in queries.list_tokens(db, after=place, count=count)]


def revoke(unit: UnitOfWork, caller: Caller, *, token_id: UUID) -> None:
    """Remove a token for good. Raises NotFound."""
    _refuse_revoked(unit, caller)
    row = _found(queries.lock_token_by_id(unit.connection, token_id))
    queries.delete_token(unit.connection, token_id)
    before = {"name": row.name, "scopes": row.scopes}
    append(unit, caller, [Change("token.revoked", _subject(token_id), before, None, tuple(before))])


def rotate(unit: UnitOfWork, caller: Caller, *, token_id: UUID, overlap_seconds: int) -> ShownToken:
    """A new secret for the same token; the former one holds for `overlap_seconds` more. Raises NotFound, and Forbidden where
    the token may do what the caller may not, since its new secret would let him."""
    _refuse_revoked(unit, caller)
    row = _found(queries.lock_token_by_id(unit.connection, token_id))
    _refuse_scopes_not_held(caller, row.scopes)
    secret = secrets.make_secret()
    until = unit.now + timedelta(seconds=overlap_seconds) if overlap_seconds else None
    changed = {"previous_expires_at": until}
    queries.update_token(
        unit.connection,
        token_id,
        {
            "secret_hash": secrets.digest(secret),
            "previous_secret_hash": row.secret_hash if until is not None else None,
            "previous_expires_at": until,
        },
    )
    before = {"previous_expires_at": row.previous_expires_at}
    append(unit, caller, [Change("token.rotated", _subject(token_id), before, changed, tuple(changed))])
    return ShownToken(
        id=row.id,
        name=row.name,
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        previous_expires_at=until,
        token=secrets.write(row.id, secret),
    )


def get_own(db: Connection, caller: Caller) -> ShownToken:
    """The token that the caller used. Raises Unauthenticated where it was revoked a moment ago."""
    row = queries.get_token_by_id(db, caller.token_id) if caller.token_id is not None else None
    if row is None:
        raise Unauthenticated
    return _shown(row)


def _refuse_revoked(unit: UnitOfWork, caller: Caller) -> None:
    """A revoked token is remembered as good for some seconds; it must not use them to make itself a successor. Raises Unauthenticated."""
    if caller.token_id is not None and queries.lock_token_by_id(unit.connection, caller.token_id) is None:
        raise Unauthenticated


def _refuse_scopes_not_held(caller: Caller, scopes: Sequence[str]) -> None:
    for scope in scopes:
        if not caller.may(scope):
            raise Forbidden("scope_not_held", scope=scope)


def _found(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFound
    return row


def _shown(row: Row[Any]) -> ShownToken:
    return ShownToken(
        id=row.id,
        name=row.name,
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        previous_expires_at=row.previous_expires_at,
    )


def _subject(token_id: UUID) -> str:
    return subject_of("tokens", token_id)
