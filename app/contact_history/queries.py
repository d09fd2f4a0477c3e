"""Statements on one interaction and on external ids. Lists have a room of their own, `app.contact_history.listing`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, bindparam, cast, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_leave

from app.changes.log import Change, append_with, with_event
from app.contact_history.models import ContactHistoryEntry, ContactHistoryKey
from app.contact_history.record import STORED, TOLD, EntryRecord, FoundEntry, ShownEntry
from app.core.caller import Caller
from app.core.syncing import ExternalKey
from app.customers.models import Customer
from app.db import shown
from app.db.base import table_of
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork

# Any: column values.

_ENTRIES = table_of(ContactHistoryEntry)
_KEYS = table_of(ContactHistoryKey)

COLUMNS = tuple(_ENTRIES.c[name] for name in EntryRecord._fields)


@lru_cache(maxsize=1000)
def as_json(names: tuple[str, ...] | None = None) -> ColumnElement[str]:
    """An interaction as it is shown, cut down to `names` (None: all that is told of it)."""
    return shown.as_json(_ENTRIES, TOLD if names is None else names)


# A change writes all of these, whatever it changed: one statement that every connection has prepared. The customer is part of the key.
WRITTEN = tuple(name for name in STORED if name not in ("id", "customer_id", "created_at"))

_FOUND = select(*COLUMNS, Customer.deleted_at.label("customer_deleted_at")).join_from(
    _ENTRIES, table_of(Customer), Customer.id == _ENTRIES.c.customer_id
)
_SHOWN = (
    select(
        shown.unless_known(as_json(), cast(_ENTRIES.c.version, Text)),
        *(_ENTRIES.c[name] for name in ("id", "customer_id", "version", "deleted_at")),
        Customer.deleted_at,
    )
    .join_from(_ENTRIES, table_of(Customer), Customer.id == _ENTRIES.c.customer_id)
    .where(_ENTRIES.c.id == bindparam("entry"))
)
_SHOWN_BY_ID = Prepared(_SHOWN)
_SHOWN_OF_CUSTOMER = Prepared(_SHOWN.where(_ENTRIES.c.customer_id == bindparam("customer")))
_BY_ID = Prepared(_FOUND.where(_ENTRIES.c.id == bindparam("entry")))
_OF_CUSTOMER = Prepared(_FOUND.where(_ENTRIES.c.id == bindparam("entry"), _ENTRIES.c.customer_id == bindparam("customer")))
# Its times too, since one that moves keeps them.
_INSERT = with_event(insert(_ENTRIES).values({column.name: bindparam(f"row_{column.name}", type_=column.type) for column in _ENTRIES.c}))
_AS_KNOWN = (
    _ENTRIES.c.customer_id == bindparam("customer"),
    _ENTRIES.c.id == bindparam("entry"),
    _ENTRIES.c.version == bindparam("known_version"),
    _ENTRIES.c.xid <= bindparam("own_xid", type_=_ENTRIES.c.xid.type),
)
_UPDATE = with_event(
    update(_ENTRIES).where(*_AS_KNOWN).values({name: bindparam(f"row_{name}", type_=_ENTRIES.c[name].type) for name in WRITTEN})
)
_TAKE_OUT = delete(_ENTRIES).where(*_AS_KNOWN).returning(_ENTRIES.c.id)

_IS_KEY = (_KEYS.c.source == bindparam("key_source"), _KEYS.c.external_id == bindparam("key_id"))
_BY_KEY = Prepared(select(_KEYS.c.customer_id, _KEYS.c.entry_id).where(*_IS_KEY))
_CLAIM = Prepared(
    insert_or_leave(_KEYS)
    .values(source=bindparam("key_source"), external_id=bindparam("key_id"), customer_id=bindparam("customer"), entry_id=bindparam("entry"))
    .on_conflict_do_nothing(index_elements=["source", "external_id"])
    .returning(_KEYS.c.entry_id)
)
_RELEASE = delete(_KEYS).where(*_IS_KEY, _KEYS.c.entry_id == bindparam("entry"))
_MOVE_KEY = update(_KEYS).where(*_IS_KEY, _KEYS.c.entry_id == bindparam("entry")).values(customer_id=bindparam("customer"))


def show_entry_by_id(db: Connection, entry_id: UUID, *, known: Collection[str]) -> ShownEntry | None:
    """`known`: the tags of which the caller has the JSON already."""
    row = _SHOWN_BY_ID.one_or_none(db, {"entry": entry_id, "known": shown.known(known)})
    return None if row is None else ShownEntry(*row)


def show_entry_of_customer(db: Connection, customer_id: UUID, entry_id: UUID, *, known: Collection[str]) -> ShownEntry | None:
    """As by its id, and where the tables are distributed on one node instead of all."""
    row = _SHOWN_OF_CUSTOMER.one_or_none(db, {"customer": customer_id, "entry": entry_id, "known": shown.known(known)})
    return None if row is None else ShownEntry(*row)


def get_entry_by_id(db: Connection, entry_id: UUID) -> FoundEntry | None:
    return _get(db, _BY_ID, {"entry": entry_id})


def get_entry_of_customer(db: Connection, customer_id: UUID, entry_id: UUID) -> FoundEntry | None:
    """As by its id, on one node where the tables are distributed."""
    return _get(db, _OF_CUSTOMER, {"customer": customer_id, "entry": entry_id})


def get_holder(db: Connection, key: ExternalKey) -> tuple[UUID, UUID] | None:
    """The ids of the customer and of the interaction that `key` stands for. No join: keys and interactions may live on different nodes."""
    row = _BY_KEY.one_or_none(db, _key_values(key))
    return None if row is None else (row[0], row[1])


def insert_entry(unit: UnitOfWork, caller: Caller, change: Change, *, values: Mapping[str, Any]) -> None:
    """Write the row and its event."""
    append_with(unit, caller, change, _INSERT, {f"row_{column.name}": values[column.name] for column in _ENTRIES.c})


def update_entry(unit: UnitOfWork, caller: Caller, change: Change, before: EntryRecord, *, values: Mapping[str, Any]) -> bool:
    """Write the row and its event, and whether the row was still as `before` and had no later writer."""
    return append_with(unit, caller, change, _UPDATE, {**{f"row_{name}": values[name] for name in WRITTEN}, **_known(unit, before)})


def move_entry(unit: UnitOfWork, caller: Caller, change: Change, before: EntryRecord, *, values: Mapping[str, Any]) -> bool:
    """As `update_entry`, to another customer: where the tables are distributed, that may be another node, and so another row."""
    if unit.connection.execute(_TAKE_OUT, _known(unit, before)).one_or_none() is None:
        return False
    insert_entry(unit, caller, change, values=values)
    return True


def claim_key(db: Connection, key: ExternalKey, *, customer_id: UUID, entry_id: UUID) -> bool:
    """Take `key`, and whether nobody had it. Waits for others who are claiming the same."""
    values = {**_key_values(key), "customer": customer_id, "entry": entry_id}
    return _CLAIM.one_or_none(db, values) is not None


def release_key(db: Connection, key: ExternalKey, *, entry_id: UUID) -> None:
    db.execute(_RELEASE, {**_key_values(key), "entry": entry_id})


def move_key(db: Connection, key: ExternalKey, *, customer_id: UUID, entry_id: UUID) -> None:
    db.execute(_MOVE_KEY, {**_key_values(key), "customer": customer_id, "entry": entry_id})


def _key_values(key: ExternalKey) -> dict[str, str]:
    return {"key_source": key.source, "key_id": key.external_id}


def _known(unit: UnitOfWork, before: EntryRecord) -> dict[str, Any]:
    return {"customer": before.customer_id, "entry": before.id, "known_version": before.version, "own_xid": unit.xid}


def _get(db: Connection, statement: Prepared, values: Mapping[str, UUID]) -> FoundEntry | None:
    row = statement.one_or_none(db, values)
    if row is None:
        return None
    *columns, customer_deleted_at = row
    return FoundEntry(EntryRecord(*columns), customer_deleted_at)
