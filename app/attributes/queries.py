"""Statements on definitions and their edition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, any_, bindparam, delete, func, select, true, update
from sqlalchemy.dialects import postgresql

from app.attributes.definition import Definition, Definitions
from app.attributes.models import Attribute, AttributeEdition
from app.db.base import table_of

# Any: column values.

_ATTRIBUTES = table_of(Attribute)
_EDITION = table_of(AttributeEdition)
_COLUMNS = tuple(_ATTRIBUTES.c[field.name] for field in fields(Definition))
_ALL = select(*_COLUMNS).order_by(_ATTRIBUTES.c.name)
_ONE = select(*_COLUMNS).where(_ATTRIBUTES.c.name == bindparam("key"))
_LOCKED = _ONE.with_for_update()
_SHARED = select(_ATTRIBUTES.c.name).where(_ATTRIBUTES.c.name == any_(bindparam("names", type_=ARRAY(Text))))
_SHARE = _SHARED.order_by(_ATTRIBUTES.c.name).with_for_update(read=True)
_COUNT = select(func.count()).select_from(_ATTRIBUTES)
_CLAIM = postgresql.insert(_ATTRIBUTES).on_conflict_do_nothing(index_elements=["name"]).returning(_ATTRIBUTES.c.name)
_UPDATE = update(_ATTRIBUTES).where(_ATTRIBUTES.c.name == bindparam("key"))
_DELETE = delete(_ATTRIBUTES).where(_ATTRIBUTES.c.name == bindparam("key"))
# In one statement, and so of one moment.
_WITH_EDITION = select(_EDITION.c.edition, *_COLUMNS).select_from(_EDITION.outerjoin(_ATTRIBUTES, true())).order_by(_ATTRIBUTES.c.name)
_EDITION_ALONE = select(_EDITION.c.edition)
# Whoever changes definitions waits here for the one before him, up to the end of his transaction.
_RENEW = (
    postgresql.insert(_EDITION)
    .values(is_only=True, edition=func.gen_random_uuid())
    .on_conflict_do_update(index_elements=["is_only"], set_={"edition": func.gen_random_uuid()})
)


def list_definitions(db: Connection) -> Definitions:
    """All of them, by name; there are few."""
    return Definitions({row.name: Definition(*row) for row in db.execute(_ALL)})


def list_definitions_with_edition(db: Connection) -> Definitions:
    """All of them, and the edition that they are."""
    rows = db.execute(_WITH_EDITION).all()
    edition: UUID | None = rows[0].edition if rows else None
    return Definitions({row.name: Definition(*row[1:]) for row in rows if row.name is not None}, edition)


def get_edition(db: Connection) -> UUID | None:
    """None before anything was defined."""
    return db.scalar(_EDITION_ALONE)


def renew_edition(db: Connection) -> None:
    """Say that values are checked otherwise from now on."""
    db.execute(_RENEW)


def get_definition_by_name(db: Connection, name: str) -> Definition | None:
    row = db.execute(_ONE, {"key": name}).one_or_none()
    return None if row is None else Definition(*row)


def lock_definition_by_name(db: Connection, name: str) -> Definition | None:
    """Locked up to the end of the transaction."""
    row = db.execute(_LOCKED, {"key": name}).one_or_none()
    return None if row is None else Definition(*row)


def share_definitions(db: Connection, names: Sequence[str]) -> None:
    """Those of `names` that there are cannot be changed or retired up to the end of the transaction."""
    if names:
        db.execute(_SHARE, {"names": list(names)})


def count_definitions(db: Connection) -> int:
    return db.execute(_COUNT).scalar_one()


def insert_definition(db: Connection, *, values: Mapping[str, Any]) -> bool:
    """Whether nobody else made it meanwhile."""
    return db.execute(_CLAIM, values).one_or_none() is not None


def update_definition(db: Connection, name: str, *, values: Mapping[str, Any]) -> None:
    db.execute(_UPDATE.values(values), {"key": name})


def delete_definition(db: Connection, name: str) -> None:
    db.execute(_DELETE, {"key": name})
