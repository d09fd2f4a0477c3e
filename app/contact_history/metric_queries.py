"""Statements on what a customer's interactions add up to: the stored metrics, and what the interactions themselves say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Connection,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.sql.selectable import TextualSelect

from app.changes.log import Change, append_with, with_event
from app.contact_history.metrics import EXTREMES, NAMES, ORDER, Metrics
from app.contact_history.models import ContactHistoryEntry
from app.core import money
from app.core.caller import Caller
from app.customers.models import Customer
from app.db.base import table_of
from app.db.columns import Ids
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork

# Any: column values.

_CUSTOMERS = table_of(Customer)
_ENTRIES = table_of(ContactHistoryEntry)


# Tuples, since imports make millions of them.
class State(NamedTuple):
    """What tells whether a customer's row is as it was read."""

    deleted_at: datetime | None
    version: int
    metrics_version: int
    xid: int


class LockedSet(NamedTuple):
    """Customers that are locked."""

    # How many there are.
    number: int
    # As they are now, of all that somebody may have written since the unit of work began.
    written_since: dict[UUID, State]


class Metered(NamedTuple):
    """A customer's row, as far as its interactions are concerned."""

    id: UUID
    state: State
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Recount:
    """The metrics of a customer as they are stored and as its interactions add up."""

    customer_id: UUID
    stored: Metrics
    counted: Metrics


_STATE = (_CUSTOMERS.c.id, *(_CUSTOMERS.c[name] for name in State._fields))
_METRICS = tuple(_CUSTOMERS.c[name] for name in NAMES)
# Not FOR UPDATE: whoever only makes sure that the customer exists need not wait.
_LOCK = select(*_STATE, *_METRICS).where(_CUSTOMERS.c.id == bindparam("key")).with_for_update(key_share=True)
_IN_SET = _CUSTOMERS.c.id == any_(bindparam("ids", type_=Ids))
_SET = Prepared(select(*_STATE, *_METRICS).where(_IN_SET))
# In one order, so that two who lock the same rows wait for each other and not in a circle. What nobody has written is only counted.
_LOCKED = select(*_STATE).where(_IN_SET).order_by(_CUSTOMERS.c.id).with_for_update(key_share=True).cte("locked")
_COUNTED = select(func.count().label("number")).select_from(_LOCKED).subquery("counted")
_LOCK_SET = Prepared(
    select(_COUNTED.c.number, *_LOCKED.c).select_from(
        _COUNTED.outerjoin(_LOCKED, _LOCKED.c.xid >= bindparam("since", type_=_CUSTOMERS.c.xid.type))
    )
)
_WRITTEN = (*NAMES, "metrics_version", "xid")
_UPDATE = with_event(
    update(_CUSTOMERS)
    .where(_CUSTOMERS.c.id == bindparam("key"), _CUSTOMERS.c.xid <= bindparam("own_xid", type_=_CUSTOMERS.c.xid.type))
    .values({name: bindparam(f"row_{name}", type_=_CUSTOMERS.c[name].type) for name in _WRITTEN})
)
_LIVING = (_ENTRIES.c.customer_id == bindparam("key"), _ENTRIES.c.deleted_at.is_(None))
_LEFT = (
    select(_ENTRIES.c.currency)
    .distinct()
    .where(
        *_LIVING,
        _ENTRIES.c.kind == ORDER,
        _ENTRIES.c.amount.is_not(None),
        _ENTRIES.c.currency == func.any(bindparam("currencies", type_=ARRAY(Text))),
    )
)

# What the recount of one customer is made of; times in the names' order of EXTREMES.
_TIMES = ", ".join(
    f"{'min' if extreme.is_first else 'max'}(occurred_at)"
    + (f" FILTER (WHERE {extreme.by[0]} = '{extreme.by[1]}')" if extreme.by else "")
    + f" AS counted_{name}"
    for name, extreme in EXTREMES.items()
)


def _recount(chosen: str) -> TextualSelect:
    """The customers that `chosen` names, as stored and as counted; one statement, so that both are of one moment."""
    return text(
        f"""
        WITH chosen AS MATERIALIZED (
            SELECT id, {", ".join(NAMES)} FROM customers {chosen}
        ), counted AS (
            SELECT
                customer_id, count(*) AS counted_contact_count, count(*) FILTER (WHERE kind = '{ORDER}') AS counted_order_count, {_TIMES}
            FROM contact_history JOIN chosen ON chosen.id = customer_id
            WHERE deleted_at IS NULL
            GROUP BY customer_id
        ), totals AS (
            SELECT customer_id, jsonb_object_agg(currency, total::text) AS counted_order_total
            FROM (
                SELECT customer_id, currency, sum(amount) AS total
                FROM contact_history JOIN chosen ON chosen.id = customer_id
                WHERE deleted_at IS NULL AND kind = '{ORDER}' AND amount IS NOT NULL
                GROUP BY customer_id, currency
            ) AS summed
            GROUP BY customer_id
        )
        SELECT chosen.*, counted.*, totals.counted_order_total
        FROM chosen LEFT JOIN counted ON counted.customer_id = chosen.id LEFT JOIN totals ON totals.customer_id = chosen.id
        ORDER BY chosen.id
        """
    ).columns(id=_CUSTOMERS.c.id.type)


_RECOUNT_PAGE = _recount("WHERE (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY id LIMIT :count")
_RECOUNT_ONE = _recount("WHERE id = :key")


def lock_metered(db: Connection, customer_id: UUID) -> Metered | None:
    """The row as it is once nobody else writes it, and locked up to the end of the transaction; None where there is no such customer."""
    row = db.execute(_LOCK, {"key": customer_id}).one_or_none()
    if row is None:
        return None
    return _read_metered(row)


def list_metered(db: Connection, customer_ids: Collection[UUID]) -> dict[UUID, Metered]:
    """Those customers that there are."""
    if not customer_ids:
        return {}
    return {row[0]: _read_metered(row) for row in _SET.all(db, {"ids": customer_ids})}


def lock_set(unit: UnitOfWork, customer_ids: Collection[UUID]) -> LockedSet:
    """Those customers, each once nobody else writes it, and locked up to the end of the transaction. Rests on every write of a customer
    leaving its transaction's id in the row."""
    if not customer_ids:
        return LockedSet(0, {})
    rows = _LOCK_SET.all(unit.connection, {"ids": customer_ids, "since": unit.oldest_xid})
    return LockedSet(rows[0][0], {row[1]: State._make(row[2:]) for row in rows if row[1] is not None})


def update_metrics(unit: UnitOfWork, caller: Caller, change: Change, customer_id: UUID, *, values: Mapping[str, Any]) -> bool:
    """Write the metrics and their event, and whether the row had no later writer; nothing else of the customer is touched."""
    written = {f"row_{name}": values[name] for name in _WRITTEN}
    return append_with(unit, caller, change, _UPDATE, {**written, "key": customer_id, "own_xid": unit.xid})


def find_extremes(db: Connection, customer_id: UUID, names: Collection[str]) -> dict[str, datetime | None]:
    """First and last times of what is living now, each by the end of an index; one round trip for all of them."""
    if not names:
        return {}
    row = db.execute(_extremes(tuple(sorted(names))), {"key": customer_id}).one()
    return dict(row._mapping)


def find_currencies(db: Connection, customer_id: UUID, currencies: Collection[str]) -> set[str]:
    """In which of `currencies` a living order has an amount."""
    if not currencies:
        return set()
    return set(db.scalars(_LEFT, {"key": customer_id, "currencies": sorted(currencies)}))


def list_recounts(db: Connection, *, after: UUID | None, count: int) -> Sequence[Recount]:
    """The next `count` customers behind the id `after`, deleted or not."""
    return [_read_recount(row) for row in db.execute(_RECOUNT_PAGE, {"after": after, "count": count})]


def recount_customer(db: Connection, customer_id: UUID) -> Recount | None:
    row = db.execute(_RECOUNT_ONE, {"key": customer_id}).one_or_none()
    return None if row is None else _read_recount(row)


@lru_cache(maxsize=64)
def _extremes(names: tuple[str, ...]) -> Select[Any]:
    found = []
    for name in names:
        extreme = EXTREMES[name]
        pick = func.min if extreme.is_first else func.max
        belongs = () if extreme.by is None else (_ENTRIES.c[extreme.by[0]] == extreme.by[1],)
        found.append(select(pick(_ENTRIES.c.occurred_at)).where(*_LIVING, *belongs).scalar_subquery().label(name))
    return select(*found)


def _read_metered(row: Sequence[Any]) -> Metered:
    return Metered(row[0], State._make(row[1 : len(_STATE)]), Metrics._make(row[len(_STATE) :]))


def _read_recount(row: Row[Any]) -> Recount:
    values = row._mapping
    totals = values["counted_order_total"] or {}
    counted = Metrics(
        contact_count=values["counted_contact_count"] or 0,
        order_count=values["counted_order_count"] or 0,
        order_total={currency: money.written(total, currency) for currency, total in totals.items()},
        **{name: values[f"counted_{name}"] for name in EXTREMES},
    )
    return Recount(values["id"], Metrics(**{name: values[name] for name in NAMES}), counted)
