"""Statements on sets of customers: as many round trips for a thousand as for one.

New rows go by COPY. Others, and keys, travel as one JSON text that PostgreSQL reads as rows of the table: as fast as COPY into a temporary
table here (59 to 60 us a row without indexes, of which 6 in Python against 28), with nothing to create, to clear or to escape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, any_, bindparam, select, text

from app.attributes.models import AttributeEdition
from app.core.syncing import ExternalKey
from app.customers import queries
from app.customers.models import Customer
from app.customers.record import STORED, CustomerRecord
from app.db.base import table_of
from app.db.columns import Ids, to_json
from app.db.copying import Copying
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork

# Any: column values.

_CUSTOMERS = table_of(Customer)

_IDS = bindparam("ids", type_=Ids)
_OF_IDS = select(*queries.COLUMNS).where(Customer.id == any_(_IDS))
_BY_IDS = Prepared(_OF_IDS)
# In one order, so that two who lock the same rows wait for each other and not in a circle.
_LOCKED = Prepared(_OF_IDS.order_by(Customer.id).with_for_update(key_share=True))
_LOCK = Prepared(
    select(Customer.id, Customer.version, Customer.xid)
    .where(Customer.id == any_(_IDS))
    .order_by(Customer.id)
    .with_for_update(key_share=True)
)
_SYNCED = Prepared(
    select(
        Customer.id, Customer.version, Customer.synced_digest, select(AttributeEdition.edition).scalar_subquery().label("edition")
    ).where(Customer.id == any_(_IDS), Customer.deleted_at.is_(None))
)

_SENT_KEYS = "json_to_recordset(CAST(:keys AS json)) AS sent (source text, external_id text)"
# Key by key through the index, which a plan that was made while the table was small would not do.
_KEYS = Prepared(
    text(
        f"""
        SELECT sent.source, sent.external_id, found.customer_id FROM {_SENT_KEYS} CROSS JOIN LATERAL (
            SELECT customer_id FROM customer_keys k WHERE k.source = sent.source AND k.external_id = sent.external_id LIMIT 1
        ) AS found
        """
    )
)
_CLAIM = Prepared(
    text(
        """
        INSERT INTO customer_keys (source, external_id, customer_id)
        SELECT source, external_id, customer_id
        FROM json_to_recordset(CAST(:keys AS json)) AS sent (source text, external_id text, customer_id uuid)
        ORDER BY source COLLATE "C", external_id COLLATE "C"
        ON CONFLICT (source, external_id) DO NOTHING
        """
    )
)
_RELEASE = Prepared(
    text(f"DELETE FROM customer_keys k USING {_SENT_KEYS} WHERE k.source = sent.source AND k.external_id = sent.external_id")
)

_INSERT = Copying(_CUSTOMERS, queries.INSERTED)
_INSERTED = itemgetter(*map(STORED.index, queries.INSERTED))
_UPDATE = Prepared(
    text(
        f"""
        UPDATE customers c SET {", ".join(f"{name} = sent.{name}" for name in queries.WRITTEN)}
        FROM json_populate_recordset(NULL::customers, CAST(:rows AS json)) AS sent WHERE c.id = sent.id
        """
    )
)


def list_customers_by_id(db: Connection, ids: Collection[UUID], *, locked: bool) -> dict[UUID, CustomerRecord]:
    """Those there are, deleted or not; with `locked` as they are once nobody else writes them, up to the end of the transaction."""
    if not ids:
        return {}
    return {row[0]: CustomerRecord._make(row) for row in (_LOCKED if locked else _BY_IDS).all(db, {"ids": ids})}


def lock_versions(db: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """`(version, xid)` of each row, locked up to the end of the transaction."""
    return {customer_id: (version, xid) for customer_id, version, xid in _LOCK.all(db, {"ids": ids})} if ids else {}


def list_synced(db: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[int, bytes, UUID | None]]:
    """`(version, digest, edition)` of those, not deleted, that are as one line of an import left them; the edition is that of the
    attributes' definitions now."""
    found = _SYNCED.all(db, {"ids": ids}) if ids else ()
    return {customer_id: (version, digest, edition) for customer_id, version, digest, edition in found if digest is not None}


def list_ids_by_key(db: Connection, keys: Collection[ExternalKey]) -> dict[ExternalKey, UUID]:
    """Whom each external id stands for, where it stands for somebody."""
    if not keys:
        return {}
    return {
        ExternalKey(source, external_id): customer_id for source, external_id, customer_id in _KEYS.all(db, {"keys": _json_of_keys(keys)})
    }


def release_keys(db: Connection, keys: Collection[ExternalKey]) -> None:
    if keys:
        _RELEASE.run(db, {"keys": _json_of_keys(keys)})


def claim_keys(db: Connection, held: Mapping[ExternalKey, UUID]) -> int:
    """Take the external ids that nobody has; how many those were. Sorted, as `app.customers.queries.claim_keys` is, and for its reason."""
    if not held:
        return 0
    sent = [{"source": key.source, "external_id": key.external_id, "customer_id": customer_id} for key, customer_id in held.items()]
    return _CLAIM.run(db, {"keys": to_json(sent)})


def rows_to_update(rows: Iterable[Sequence[Any]]) -> str:
    """What `update_customers` takes; of rows in the order of STORED too."""
    return to_json([dict(zip(STORED, row, strict=True)) for row in rows])


def insert_customers(unit: UnitOfWork, rows: Iterable[Sequence[Any]]) -> None:
    """By COPY, since nothing can be in the way of rows with new ids; of rows in the order of STORED."""
    unit.copy(_INSERT, _INSERT.texts(map(_INSERTED, rows)))


def update_customers(db: Connection, rows: str) -> None:
    """Write rows that this transaction has locked."""
    _UPDATE.run(db, {"rows": rows})


def _json_of_keys(keys: Iterable[ExternalKey]) -> str:
    return to_json([{"source": key.source, "external_id": key.external_id} for key in keys])
