"""Lists of customers: filters, order, pages and totals."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute

from app.attributes import catalogue as attributes
from app.attributes import queries as attribute_queries
from app.core import contact_points
from app.core.faults import Fault
from app.core.search import SearchQuery
from app.core.syncing import ExternalKey
from app.customers import queries
from app.customers.models import Customer
from app.db import keyset
from app.db.base import table_of
from app.db.engines import Snapshot
from app.rules.narrowing import Narrowing, Ruled, narrowing

# Any: column values of a row.

_CUSTOMERS = table_of(Customer)

SORTS: Mapping[str, Any] = {"created_at": Customer.created_at, "updated_at": Customer.updated_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFilter:
    """What a list is narrowed to; None: not at all. Times exclude their bound."""

    q: SearchQuery | None = None
    email: str | None = None
    phone: str | None = None
    external_id: ExternalKey | None = None
    tag: str | None = None
    country: str | None = None
    status: str | None = None
    owner: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    deleted: str = "exclude"
    rule: Narrowing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerOrder:
    """By `column`; `after`: behind the row with this value in it and this id."""

    column: Any = Customer.created_at
    descending: bool = True
    after: tuple[Any, UUID] | None = None


def narrowed(db: Connection, query: Mapping[str, Any], ruled: Ruled | None) -> CustomerFilter:
    """What `query` and a rule narrow a list to. Raises Invalid where the rule is not sound."""
    told = {name: query[name] for name in CustomerFilter.__slots__ if name in query}
    return CustomerFilter(**told, rule=narrowing(db, ruled))


def list_customers(
    db: Connection, *, narrowed: CustomerFilter, order: CustomerOrder, count: int, names: tuple[str, ...] | None
) -> Sequence[Row[Any]]:
    """At most `count` rows behind `order.after`, ties broken by id: each as JSON with `names`, its `id` and its `sort_value`; those
    without one come last."""
    shown = (queries.as_json(names).label("json"), _CUSTOMERS.c.id, order.column.label("sort_value"))
    statement = _narrow(select(*shown).select_from(_CUSTOMERS), db, narrowed, _for_page(narrowed))
    if statement is None:
        return []
    if isinstance(order.column, InstrumentedAttribute):
        return _page(db, statement, order, count)
    found: list[Row[Any]] = []
    if order.after is None or order.after[0] is not None:
        found.extend(_page(db, statement.where(order.column.is_not(None)), order, count))
    if len(found) < count:
        found.extend(_rest(db, statement.where(order.column.is_(None)), order, count - len(found)))
    return found


def _page(db: Connection, statement: Select[Any], order: CustomerOrder, count: int) -> Sequence[Row[Any]]:
    paged = keyset.page_after(statement, column=order.column, key=Customer.id, after=order.after, descending=order.descending)
    return db.execute(paged.limit(count)).all()


def _rest(db: Connection, statement: Select[Any], order: CustomerOrder, count: int) -> Sequence[Row[Any]]:
    """Those without a value, by id: a page of its own, since one condition over both would be no index range."""
    if order.after is not None and order.after[0] is None:
        last = order.after[1]
        statement = statement.where(Customer.id < last if order.descending else Customer.id > last)
    return db.execute(statement.order_by(Customer.id.desc() if order.descending else Customer.id).limit(count)).all()


def attribute_column(db: Connection, name: str) -> Any:
    """The attribute `name` as a column to sort by. Raises Fault where there is no such one, or it is a list."""
    definitions = attribute_queries.list_definitions(db)
    found = attributes.family(Customer.attributes, definitions).find(name)
    if found.type.is_list:
        raise Fault("wrong_type", "A list has no order to sort by.")
    return found.sql


def stream_customers(
    snapshot: Snapshot, *, narrowed: CustomerFilter, names: tuple[str, ...] | None
) -> Generator[Sequence[Row[Any]], None, None]:
    """All of them, by id, some at a time, each as JSON with `names`."""
    with snapshot.watched():
        statement = _narrow(select(queries.as_json(names)).select_from(_CUSTOMERS), snapshot.connection, narrowed, _for_all(narrowed))
    if statement is not None:
        yield from snapshot.blocks(statement.order_by(Customer.id))


def count_customers(db: Connection, *, narrowed: CustomerFilter) -> int:
    """How many there are in all, exactly."""
    statement = _narrow(select(func.count()).select_from(Customer), db, narrowed, _for_all(narrowed))
    return 0 if statement is None else db.execute(statement).scalar_one()


def _narrow(
    statement: Select[Any], db: Connection, narrowed: CustomerFilter, conditions: Sequence[ColumnElement[bool]]
) -> Select[Any] | None:
    """None where an external id that nobody has rules out every row. The key is looked up first and not joined: keys and customers may live
    on different nodes."""
    if narrowed.external_id is not None:
        key = narrowed.external_id
        customer_id = queries.get_customer_id_by_key(db, key.source, key.external_id)
        if customer_id is None:
            return None
        statement = statement.where(Customer.id == customer_id)
    return statement.where(*conditions)


def _for_page(narrowed: CustomerFilter) -> list[ColumnElement[bool]]:
    rule = [] if narrowed.rule is None else [narrowed.rule.condition]
    return [*_of_deleted(narrowed), *rule, *_conditions(narrowed)]


def _for_all(narrowed: CustomerFilter) -> list[ColumnElement[bool]]:
    others = _conditions(narrowed)
    rule = [] if narrowed.rule is None else [narrowed.rule.condition if others else narrowed.rule.condition_of_all]
    return [*_of_deleted(narrowed), *rule, *others]


def _of_deleted(narrowed: CustomerFilter) -> list[ColumnElement[bool]]:
    if narrowed.deleted == "include":
        return []
    return [Customer.deleted_at.is_(None) if narrowed.deleted == "exclude" else Customer.deleted_at.is_not(None)]


def _conditions(narrowed: CustomerFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if narrowed.q is not None:
        found.append(_matches(narrowed.q))
    if narrowed.email is not None:
        found.append(Customer.email_key == contact_points.email_key(narrowed.email))
    if narrowed.tag is not None:
        found.append(Customer.tags.contains([narrowed.tag]))
    for name in ("phone", "country", "status", "owner"):
        value = getattr(narrowed, name)
        if value is not None:
            found.append(_CUSTOMERS.c[name] == value)
    for name, column in (("updated", Customer.updated_at), ("created", Customer.created_at)):
        after, before = getattr(narrowed, f"{name}_after"), getattr(narrowed, f"{name}_before")
        if after is not None:
            found.append(column > after)
        if before is not None:
            found.append(column < before)
    return found


def _matches(query: SearchQuery) -> ColumnElement[bool]:
    """The grams are what the index finds; the patterns leave out rows that have them in other places."""
    patterns = (Customer.search_text.like(pattern, escape="\\") for pattern in query.patterns)
    return and_(Customer.search_grams.contains(query.grams), *patterns)
