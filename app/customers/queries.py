"""Statements on one customer and on external ids. Lists have a room of their own, `app.customers.listing`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID
from zlib import crc32

from sqlalchemy import ARRAY, ColumnElement, Connection, Text, Uuid, any_, bindparam, cast, delete, insert, select, text, tuple_, update

from app.changes.log import Change, append_with, with_event
from app.core.caller import Caller
from app.customers.book import Identifier
from app.customers.models import Customer, CustomerKey
from app.customers.record import METRICS, SHOWN, CustomerRecord, ShownCustomer
from app.db import shown
from app.db.base import table_of
from app.db.columns import WRITTEN_AT
from app.db.prepared import Prepared
from app.db.unit_of_work import BESIDE, UnitOfWork

# Any: column values.

_CUSTOMERS = table_of(Customer)
_KEYS = table_of(CustomerKey)

COLUMNS = tuple(_CUSTOMERS.c[name] for name in CustomerRecord._fields)

_OBJECTS = {"metrics": tuple(name for name in METRICS if name != "metrics_version")}


@lru_cache(maxsize=1000)
def as_json(names: tuple[str, ...] | None = None) -> ColumnElement[str]:
    """A customer as it is shown, cut down to `names` (None: all of SHOWN)."""
    return shown.as_json(_CUSTOMERS, SHOWN if names is None else names, _OBJECTS)


_TAG = cast(Customer.version, Text).concat(".").concat(cast(Customer.metrics_version, Text))
_SHOWN_BY_ID = Prepared(
    select(shown.unless_known(as_json(), _TAG), *(_CUSTOMERS.c[name] for name in ("id", "version", "metrics_version", "deleted_at"))).where(
        Customer.id == bindparam("key")
    )
)

# A change writes all of these, whatever it changed: one statement that every connection has prepared, where one for each set of
# fields would be many.
WRITTEN = tuple(column.name for column in _CUSTOMERS.c if column.name not in ("id", "created_at", *METRICS))

_ROW = select(*COLUMNS).where(Customer.id == bindparam("key"))
_BY_ID = Prepared(_ROW)
_SEEN = Prepared(select(*BESIDE, *COLUMNS).where(Customer.id == bindparam("key")))
_LOCKED = Prepared(_ROW.with_for_update(key_share=True))
_EXISTS = Prepared(select(Customer.id).where(Customer.id == bindparam("key"), Customer.deleted_at.is_(None)))
# The metrics of a new customer and the times of its transaction are the columns' defaults.
INSERTED = tuple(column.name for column in _CUSTOMERS.c if column.name not in (*METRICS, *WRITTEN_AT))
_INSERT = with_event(insert(_CUSTOMERS).values({name: bindparam(f"row_{name}", type_=_CUSTOMERS.c[name].type) for name in INSERTED}))
_UPDATE = with_event(
    update(_CUSTOMERS)
    .where(
        _CUSTOMERS.c.id == bindparam("key"),
        _CUSTOMERS.c.version == bindparam("known_version"),
        # An interaction in between is no conflict, but the answer would show the metrics and the ETag of before it.
        _CUSTOMERS.c.metrics_version == bindparam("known_metrics_version"),
        _CUSTOMERS.c.xid <= bindparam("own_xid", type_=_CUSTOMERS.c.xid.type),
    )
    .values({name: bindparam(f"row_{name}", type_=_CUSTOMERS.c[name].type) for name in WRITTEN})
)
_ID_BY_KEY = Prepared(
    select(CustomerKey.customer_id).where(
        CustomerKey.source == bindparam("source_name"), CustomerKey.external_id == bindparam("external_id_text")
    )
)
# One statement for any number of ids, so that it stays prepared: a VALUES list would be compiled anew for each call.
_CLAIM = Prepared(
    text(
        """
        INSERT INTO customer_keys (source, external_id, customer_id)
        SELECT source, external_id, :customer_id FROM unnest(:sources, :external_ids) AS sent (source, external_id)
        ON CONFLICT (source, external_id) DO NOTHING RETURNING source, external_id
        """
    ).bindparams(
        bindparam("sources", type_=ARRAY(Text)), bindparam("external_ids", type_=ARRAY(Text)), bindparam("customer_id", type_=Uuid)
    )
)


_MATCHED_COLUMNS = {"email": Customer.email_key, "phone": Customer.phone}
_MATCHING = {
    by: select(column, *COLUMNS)
    .where(column == any_(bindparam("wanted", type_=ARRAY(Text))), Customer.deleted_at.is_(None))
    .order_by(Customer.id)
    for by, column in _MATCHED_COLUMNS.items()
}
# Numbers of our own in the server's one space of advisory locks.
_LOCK_CLASSES = {"email": 0x6B656D61, "phone": 0x6B706872}
_LOCK_BUCKETS = 1024
_LOCK_IDENTIFIERS = text(
    "SELECT pg_advisory_xact_lock(class, bucket) FROM unnest(CAST(:classes AS int[]), CAST(:buckets AS int[])) AS wanted (class, bucket)"
)


def show_customer_by_id(db: Connection, customer_id: UUID, *, known: Collection[str]) -> ShownCustomer | None:
    """`known`: the tags of which the caller has the JSON already."""
    row = _SHOWN_BY_ID.one_or_none(db, {"key": customer_id, "known": shown.known(known)})
    return None if row is None else ShownCustomer(*row)


def get_customer_by_id(db: Connection, customer_id: UUID) -> CustomerRecord | None:
    row = _BY_ID.one_or_none(db, {"key": customer_id})
    return None if row is None else CustomerRecord(*row)


def see_customer_by_id(unit: UnitOfWork, customer_id: UUID) -> CustomerRecord | None:
    """The row as it is now; no transaction begins by that."""
    row = _SEEN.one_or_none(unit.looking, {"key": customer_id})
    if row is None:
        return None
    edition, must_commit, *columns = row
    unit.tell(edition, must_commit)
    return CustomerRecord(*columns)


def lock_customer_by_id(db: Connection, customer_id: UUID) -> CustomerRecord | None:
    """The row as it is once nobody else writes it, and locked up to the end of the transaction."""
    row = _LOCKED.one_or_none(db, {"key": customer_id})
    return None if row is None else CustomerRecord(*row)


def has_customer(db: Connection, customer_id: UUID) -> bool:
    """Whether there is such a customer, not deleted."""
    return _EXISTS.one_or_none(db, {"key": customer_id}) is not None


def insert_customer(unit: UnitOfWork, caller: Caller, change: Change, *, values: Mapping[str, Any]) -> None:
    """Write the row and its event."""
    append_with(unit, caller, change, _INSERT, {f"row_{name}": values[name] for name in INSERTED})


def update_customer(unit: UnitOfWork, caller: Caller, change: Change, before: CustomerRecord, *, values: Mapping[str, Any]) -> bool:
    """Write the row and its event, and whether the row was still as `before` and had no later writer; its metrics are not touched."""
    written = {f"row_{name}": values[name] for name in WRITTEN}
    known = {"known_version": before.version, "known_metrics_version": before.metrics_version}
    return append_with(unit, caller, change, _UPDATE, {**written, **known, "key": before.id, "own_xid": values["xid"]})


def get_customer_id_by_key(db: Connection, source: str, external_id: str) -> UUID | None:
    found = _ID_BY_KEY.one_or_none(db, {"source_name": source, "external_id_text": external_id})
    return None if found is None else found[0]


def lock_identifiers(db: Connection, identifiers: Iterable[Identifier]) -> None:
    """Take turns with everybody else who matches by one of these, up to the end of the transaction.

    Whoever writes an e-mail or phone without looking who has it takes no turn: his write is as if it came after ours, and seen where it was
    committed before. By class and bucket, in one order, so that the lock table stays small however many there are.
    """
    buckets = sorted({(_LOCK_CLASSES[one.by], crc32(one.value.encode()) % _LOCK_BUCKETS) for one in identifiers})
    if buckets:
        classes, numbers = zip(*buckets, strict=True)
        db.execute(_LOCK_IDENTIFIERS, {"classes": list(classes), "buckets": list(numbers)})


def list_customers_matching(db: Connection, identifiers: Sequence[Identifier]) -> list[tuple[Identifier, CustomerRecord]]:
    """Who has each of them, deleted ones left out: in the order given, by id within each."""
    wanted = {by: [one.value for one in identifiers if one.by == by] for by in _MATCHED_COLUMNS}
    found: dict[tuple[str, str], list[CustomerRecord]] = {}
    for by, statement in _MATCHING.items():
        if wanted[by]:
            for value, *columns in db.execute(statement, {"wanted": wanted[by]}):
                found.setdefault((by, value), []).append(CustomerRecord(*columns))
    return [(one, record) for one in identifiers for record in found.get((one.by, one.value), ())]


def claim_keys(db: Connection, customer_id: UUID, external_ids: Mapping[str, str]) -> set[tuple[str, str]]:
    """Take the external ids that nobody has; which ones those were. Waits for others who are claiming the same.

    Sorted, so that two who claim the same ids wait for each other in one order.
    """
    if not external_ids:
        return set()
    sources, ids = zip(*sorted(external_ids.items()), strict=True)
    claimed = _CLAIM.all(db, {"customer_id": customer_id, "sources": list(sources), "external_ids": list(ids)})
    return {(source, external_id) for source, external_id in claimed}


def release_keys(db: Connection, customer_id: UUID, external_ids: Mapping[str, str]) -> None:
    if not external_ids:
        return
    pairs = tuple_(CustomerKey.source, CustomerKey.external_id)
    db.execute(delete(CustomerKey).where(pairs.in_(sorted(external_ids.items())), CustomerKey.customer_id == customer_id))
