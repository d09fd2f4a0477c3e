"""Statements on the table of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, text, update

from app.db import keyset
from app.db.base import table_of
from app.tokens.models import Token

# Any: the columns of a row.
_TOKENS = table_of(Token)
_COLUMNS = tuple(_TOKENS.columns)
_BY_ID = select(*_COLUMNS).where(Token.id == bindparam("key"))
_LOCKED = _BY_ID.with_for_update()
_INSERT = insert(_TOKENS)
# Coarse on purpose: a busy token costs one write a minute and not one a request.
_TOUCH = (
    update(_TOKENS)
    .where(
        Token.id == bindparam("key"),
        or_(Token.last_used_at.is_(None), Token.last_used_at < func.now() - text("interval '1 minute'")),
    )
    .values(last_used_at=func.now())
)


def get_token_by_id(db: Connection, token_id: UUID) -> Row[Any] | None:
    return db.execute(_BY_ID, {"key": token_id}).one_or_none()


def lock_token_by_id(db: Connection, token_id: UUID) -> Row[Any] | None:
    return db.execute(_LOCKED, {"key": token_id}).one_or_none()


def list_tokens(db: Connection, *, after: tuple[datetime, UUID] | None, count: int) -> Sequence[Row[Any]]:
    """At most `count` tokens behind `after`, newest first."""
    statement = keyset.page_after(select(*_COLUMNS), column=Token.created_at, key=Token.id, after=after, descending=True)
    return db.execute(statement.limit(count)).all()


def has_tokens(db: Connection) -> bool:
    return db.scalar(select(Token.id).limit(1)) is not None


def insert_token(db: Connection, values: Mapping[str, Any]) -> None:
    db.execute(_INSERT, values)


def update_token(db: Connection, token_id: UUID, values: Mapping[str, Any]) -> None:
    db.execute(update(_TOKENS).where(Token.id == token_id).values(**values))


def touch_token(db: Connection, token_id: UUID) -> None:
    """Note that the token was used, unless that was noted within the last minute."""
    db.execute(_TOUCH, {"key": token_id})


def delete_token(db: Connection, token_id: UUID) -> None:
    db.execute(delete(_TOKENS).where(Token.id == token_id))
