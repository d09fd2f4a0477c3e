"""Statements on sets of interactions, and of customers as far as these are concerned: as many round trips for a thousand as for one.

Rows travel as in `app.customers.bulk.queries`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, any_, bindparam, select, text

from app.contact_history import queries
from app.contact_history.models import ContactHistoryEntry, ContactHistoryKey
from app.contact_history.record import STORED, EntryRecord
from app.core.syncing import ExternalKey
from app.customers.models import Customer
from app.db.base import table_of
from app.db.columns import WRITTEN_AT, Ids, to_json
from app.db.copying import Copying
from app.db.key_table import KeyTable
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork

# Any: column values.

_ENTRIES = table_of(ContactHistoryEntry)
_CUSTOMERS = table_of(Customer)

_IDS = bindparam("ids", type_=Ids)
_OF_IDS = select(*queries.COLUMNS).where(_ENTRIES.c.id == any_(_IDS))
_BY_IDS = Prepared(_OF_IDS)
# In one order, so that two who lock the same rows wait for each other and not in a circle.
_LOCKED = Prepared(_OF_IDS.order_by(_ENTRIES.c.id).with_for_update())
_LOCK = Prepared(
    select(_ENTRIES.c.id, _ENTRIES.c.customer_id, _ENTRIES.c.version, _ENTRIES.c.xid)
    .where(_ENTRIES.c.id == any_(_IDS))
    .order_by(_ENTRIES.c.id)
    .with_for_update()
)
_SYNCED = Prepared(
    select(_ENTRIES.c.id, _ENTRIES.c.customer_id, _ENTRIES.c.version, _ENTRIES.c.synced_digest)
    .join(_CUSTOMERS, _CUSTOMERS.c.id == _ENTRIES.c.customer_id)
    .where(
        _ENTRIES.c.id == any_(_IDS),
        _ENTRIES.c.synced_digest.is_not(None),
        _ENTRIES.c.deleted_at.is_(None),
        _CUSTOMERS.c.deleted_at.is_(None),
    )
)

_KEYS = KeyTable(table_of(ContactHistoryKey))

_SENT_ROWS = "json_populate_recordset(NULL::contact_history, CAST(:rows AS json))"
# The times of what is new are those of its transaction, which are the columns' defaults.
_INSERT = Copying(_ENTRIES, tuple(name for name in STORED if name not in WRITTEN_AT), of=STORED)
_PUT_IN = Copying(_ENTRIES, STORED)
_UPDATE = Prepared(
    text(
        f"""
        UPDATE contact_history e SET {", ".join(f"{name} = sent.{name}" for name in queries.WRITTEN)}
        FROM {_SENT_ROWS} AS sent WHERE e.customer_id = sent.customer_id AND e.id = sent.id
        """
    )
)
_TAKE_OUT = Prepared(
    text(
        """
        DELETE FROM contact_history e USING json_to_recordset(CAST(:rows AS json)) AS sent (customer_id uuid, id uuid)
        WHERE e.customer_id = sent.customer_id AND e.id = sent.id
        """
    )
)


def list_entries_by_id(db: Connection, ids: Collection[UUID], *, locked: bool) -> dict[UUID, EntryRecord]:
    """Those there are, withdrawn or not; with `locked` as they are once nobody else writes them, up to the end of the transaction."""
    if not ids:
        return {}
    return {row[0]: EntryRecord._make(row) for row in (_LOCKED if locked else _BY_IDS).all(db, {"ids": ids})}


def lock_versions(db: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, int, int]]:
    """`(customer_id, version, xid)` of each row, locked up to the end of the transaction."""
    return {entry_id: (customer_id, version, xid) for entry_id, customer_id, version, xid in _LOCK.all(db, {"ids": ids})} if ids else {}


def list_synced(db: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, int, bytes]]:
    """`(customer_id, version, digest)` of those, living with a living customer, that are as one line of an import left them."""
    found = _SYNCED.all(db, {"ids": ids}) if ids else ()
    return {entry_id: (customer_id, version, digest) for entry_id, customer_id, version, digest in found}


def list_holders(db: Connection, keys: Collection[ExternalKey]) -> dict[ExternalKey, tuple[UUID, UUID]]:
    """The ids of the customer and of the interaction that each external id stands for, where it stands for one."""
    return {key: (customer_id, entry_id) for key, (customer_id, entry_id) in _KEYS.find(db, keys).items()}


def release_keys(db: Connection, keys: Collection[ExternalKey]) -> None:
    _KEYS.release(db, keys)


def claim_keys(unit: UnitOfWork, held: Mapping[ExternalKey, tuple[UUID, UUID]]) -> None:
    """Raises Outrun where somebody has one of them."""
    _KEYS.claim(unit, held)


def rows_to_update(rows: Iterable[Sequence[Any]]) -> str:
    """What `update_entries` takes; of rows in the order of STORED."""
    return to_json([dict(zip(STORED, row, strict=True)) for row in rows])


def insert_entries(unit: UnitOfWork, rows: Iterable[Sequence[Any]]) -> None:
    """Write what is new, by COPY, as nothing can be in the way of new ids; of rows in the order of STORED."""
    unit.copy(_INSERT, _INSERT.texts(rows))


def put_in_entries(unit: UnitOfWork, rows: Iterable[Sequence[Any]]) -> None:
    """Write what was taken out, for another customer; as `insert_entries`."""
    unit.copy(_PUT_IN, _PUT_IN.texts(rows))


def update_entries(db: Connection, rows: str) -> None:
    """Write rows that this transaction has locked."""
    _UPDATE.run(db, {"rows": rows})


def take_out_entries(db: Connection, entries: Collection[EntryRecord]) -> None:
    """Remove rows that this transaction has locked, to be inserted for another customer."""
    if entries:
        _TAKE_OUT.run(db, {"rows": to_json([{"customer_id": entry.customer_id, "id": entry.id} for entry in entries])})
