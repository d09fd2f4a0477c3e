"""Statements on sets of customers: as many round trips for a thousand as for one.

Rows travel as one JSON text that PostgreSQL reads as rows of the table: as fast as COPY into a temporary table here (59 to 60 us a row
without indexes, of which 6 in Python against 28), with nothing to create, to clear or to escape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, Uuid, any_, bindparam, select, text

from app.core.syncing import ExternalKey
from app.customers import queries
from app.customers.models import Customer
from app.customers.record import CustomerRecord
from app.db.columns import to_json

# Any: column values.

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_BY_IDS = select(*queries.COLUMNS).where(Customer.id == any_(_IDS))
# In one order, so that two who lock the same rows wait for each other and not in a circle.
_LOCKED = _BY_IDS.order_by(Customer.id).with_for_update()
_LOCK = select(Customer.id, Customer.version, Customer.xid).where(Customer.id == any_(_IDS)).order_by(Customer.id).with_for_update()
_SYNCED = select(Customer.id, Customer.version, Customer.synced_digest).where(Customer.id == any_(_IDS), Customer.deleted_at.is_(None))

_PAIRS = (bindparam("sources", type_=ARRAY(Text)), bindparam("external_ids", type_=ARRAY(Text)))
_KEYS = text(
    """
    SELECT k.source, k.external_id, k.customer_id FROM unnest(:sources, :external_ids) AS sent (source, external_id)
    JOIN customer_keys k ON k.source = sent.source AND k.external_id = sent.external_id
    """
).bindparams(*_PAIRS)
_CLAIM = text(
    """
    INSERT INTO customer_keys (source, external_id, customer_id)
    SELECT source, external_id, customer_id FROM unnest(:sources, :external_ids, :customer_ids) AS sent (source, external_id, customer_id)
    ON CONFLICT (source, external_id) DO NOTHING
    """
).bindparams(*_PAIRS, bindparam("customer_ids", type_=ARRAY(Uuid)))
_RELEASE = text(
    """
    DELETE FROM customer_keys k USING unnest(:sources, :external_ids) AS sent (source, external_id)
    WHERE k.source = sent.source AND k.external_id = sent.external_id
    """
).bindparams(*_PAIRS)

_INSERTED = ", ".join(queries.INSERTED)
_INSERT = text(f"INSERT INTO customers ({_INSERTED}) SELECT {_INSERTED} FROM json_populate_recordset(NULL::customers, CAST(:rows AS json))")
_UPDATE = text(
    f"""
    UPDATE customers c SET {", ".join(f"{name} = sent.{name}" for name in queries.WRITTEN)}
    FROM json_populate_recordset(NULL::customers, CAST(:rows AS json)) AS sent WHERE c.id = sent.id
    """
)


def list_customers_by_id(db: Connection, ids: Collection[UUID], *, locked: bool) -> dict[UUID, CustomerRecord]:
    """Those there are, deleted or not; with `locked` as they are once nobody else writes them, up to the end of the transaction."""
    if not ids:
        return {}
    found = (CustomerRecord(*row) for row in db.execute(_LOCKED if locked else _BY_IDS, {"ids": list(ids)}))
    return {record.id: record for record in found}


def lock_versions(db: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """`(version, xid)` of each row, locked up to the end of the transaction."""
    return {row.id: (row.version, row.xid) for row in db.execute(_LOCK, {"ids": list(ids)})} if ids else {}


def list_synced(db: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[int, bytes]]:
    """`(version, digest)` of those, not deleted, that are as one line of an import left them."""
    found = db.execute(_SYNCED, {"ids": list(ids)}) if ids else ()
    return {row.id: (row.version, bytes(row.synced_digest)) for row in found if row.synced_digest is not None}


def list_ids_by_key(db: Connection, keys: Collection[ExternalKey]) -> dict[ExternalKey, UUID]:
    """Whom each external id stands for, where it stands for somebody."""
    if not keys:
        return {}
    return {ExternalKey(row.source, row.external_id): row.customer_id for row in db.execute(_KEYS, _pairs(keys))}


def release_keys(db: Connection, keys: Collection[ExternalKey]) -> None:
    if keys:
        db.execute(_RELEASE, _pairs(sorted(keys, key=_in_order)))


def claim_keys(db: Connection, held: Mapping[ExternalKey, UUID]) -> int:
    """Take the external ids that nobody has; how many those were. Sorted, as `app.customers.queries.claim_keys` is, and for its reason."""
    if not held:
        return 0
    keys = sorted(held, key=_in_order)
    taken: int = db.execute(_CLAIM, {**_pairs(keys), "customer_ids": [held[key] for key in keys]}).rowcount
    return taken


def insert_customers(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        db.execute(_INSERT, {"rows": to_json(rows)})


def update_customers(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that this transaction has locked."""
    if rows:
        db.execute(_UPDATE, {"rows": to_json(rows)})


def _pairs(keys: Iterable[ExternalKey]) -> dict[str, list[str]]:
    sent = [(key.source, key.external_id) for key in keys]
    return {"sources": [source for source, _ in sent], "external_ids": [external_id for _, external_id in sent]}


def _in_order(key: ExternalKey) -> tuple[str, str]:
    return key.source, key.external_id
