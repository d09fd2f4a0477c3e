"""Lists of customers: filters, order, pages and totals."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Connection, Integer, Row, Select, Text, all_, and_, bindparam, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from app.attributes import catalogue as attributes
from app.attributes import expressions
from app.attributes import queries as attribute_queries
from app.core import contact_points
from app.core.faults import Fault
from app.core.search import SearchQuery
from app.core.syncing import ExternalKey
from app.customers import queries
from app.customers.models import Customer
from app.db import keyset, planning
from app.db.base import table_of
from app.db.engines import Snapshot
from app.db.prepared import Prepared
from app.rules.keeping import Page
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

    @property
    def said(self) -> tuple[str, ...]:
        """What narrows beside a rule and `deleted`."""
        return tuple(name for name in _NARROWING if getattr(self, name) is not None)


class ListedCustomer(NamedTuple):
    """A row of a list: the customer as JSON, and its place."""

    json: str
    id: UUID
    sort_value: Any


class _Shape(NamedTuple):
    """What makes one statement of a page differ from another, but for a rule."""

    said: tuple[str, ...]
    deleted: str
    names: tuple[str, ...] | None
    sort: str
    descending: bool
    is_first: bool
    # How many, in the statement itself: where it is a place, a plan for any values is made for a tenth of the table and never taken.
    rows: int


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
) -> Sequence[ListedCustomer]:
    """At most `count` rows behind `order.after`, ties broken by id, with `names` in their JSON; those without a sort value come last."""
    values = _values(db, narrowed)
    if values is None:
        return []
    if isinstance(order.column, InstrumentedAttribute):
        return _page(db, narrowed, order, count, names, {**values, **_place(order)})
    statement = _ruled(_select(narrowed.said, narrowed.deleted, names, order.column), narrowed)
    found: list[Row[Any]] = []
    if order.after is None or order.after[0] is not None:
        there = _paged(statement.where(order.column.is_not(None)), order.column, order.descending, is_first=order.after is None)
        found.extend(db.execute(there, {**values, **_place(order), "count": count}).all())
    if len(found) < count:
        found.extend(db.execute(_rest(statement.where(order.column.is_(None)), order).limit(count - len(found)), values).all())
    return _listed(found)


def _page(
    db: Connection,
    narrowed: CustomerFilter,
    order: CustomerOrder,
    count: int,
    names: tuple[str, ...] | None,
    values: Mapping[str, Any],
) -> Sequence[ListedCustomer]:
    shape = _Shape(narrowed.said, narrowed.deleted, names, order.column.key, order.descending, order.after is None, count)
    if narrowed.rule is None:
        return _listed(_prepared_page(shape).all(db, values))
    first = shape._replace(is_first=True)
    return _listed(narrowed.rule.rows(db, Page(build=_page_of, shape=shape, first=first, values=values)))


def _listed(rows: Iterable[Sequence[Any]]) -> list[ListedCustomer]:
    return [ListedCustomer(*row) for row in rows]


# To build the statement anew took half of a page's time.
@lru_cache(maxsize=500)
def _prepared_page(shape: _Shape) -> Prepared:
    return Prepared(_page_of(shape))


def _page_of(shape: _Shape, *rule: ColumnElement[bool]) -> Select[Any]:
    column = SORTS[shape.sort]
    statement = _select(shape.said, shape.deleted, shape.names, column).where(*rule)
    return _paged(statement, column, shape.descending, is_first=shape.is_first, rows=shape.rows)


def _select(said: tuple[str, ...], deleted: str, names: tuple[str, ...] | None, column: Any) -> Select[Any]:
    shown = (queries.as_json(names).label("json"), _CUSTOMERS.c.id, column.label("sort_value"))
    return select(*shown).select_from(_CUSTOMERS).where(*_conditions(said, deleted))


def _paged(statement: Select[Any], column: Any, descending: bool, *, is_first: bool, rows: int | None = None) -> Select[Any]:
    after = None if is_first else (bindparam("after_value", type_=column.type), bindparam("after_id", type_=_CUSTOMERS.c.id.type))
    paged = keyset.page_after(statement, column=column, key=_CUSTOMERS.c.id, after=after, descending=descending)
    return paged.limit(bindparam("count", type_=Integer) if rows is None else literal_column(str(rows), Integer))


def _place(order: CustomerOrder) -> Mapping[str, Any]:
    return {} if order.after is None else {"after_value": order.after[0], "after_id": order.after[1]}


def _rest(statement: Select[Any], order: CustomerOrder) -> Select[Any]:
    """Those without a value, by id: a page of its own, since one condition over both would be no index range."""
    if order.after is not None and order.after[0] is None:
        last = order.after[1]
        statement = statement.where(Customer.id < last if order.descending else Customer.id > last)
    return statement.order_by(Customer.id.desc() if order.descending else Customer.id)


def _ruled(statement: Select[Any], narrowed: CustomerFilter) -> Select[Any]:
    return statement if narrowed.rule is None else statement.where(narrowed.rule.condition)


def attribute_column(db: Connection, name: str) -> Any:
    """The attribute `name` as a column to sort by. Raises Fault where there is no such one, or it is a list."""
    definitions = attribute_queries.list_definitions(db)
    found = attributes.family(Customer.attributes, definitions).find(name)
    if found.type.is_list:
        raise Fault("wrong_type", "A list has no order to sort by.")
    return expressions.sort_key(Customer.attributes, definitions.by_name[name])


def stream_customers(
    snapshot: Snapshot, *, narrowed: CustomerFilter, names: tuple[str, ...] | None
) -> Generator[Sequence[Row[Any]], None, None]:
    """All of them, by id, some at a time, each as JSON with `names`."""
    with snapshot.watched():
        values = _values(snapshot.connection, narrowed)
        statement = _of_all(select(queries.as_json(names)).select_from(_CUSTOMERS), narrowed)
    if values is not None:
        yield from snapshot.blocks(statement.order_by(Customer.id), values)


def count_customers(db: Connection, *, narrowed: CustomerFilter) -> int:
    """How many there are in all, exactly."""
    values = _values(db, narrowed)
    statement = _of_all(select(func.count()).select_from(_CUSTOMERS), narrowed)
    if values is None:
        return 0
    with planning.for_values(db):
        total: int = db.execute(statement, values).scalar_one()
    return total


def _of_all(statement: Select[Any], narrowed: CustomerFilter) -> Select[Any]:
    found = statement.where(*_conditions(narrowed.said, narrowed.deleted))
    if narrowed.rule is None:
        return found
    return found.where(narrowed.rule.condition if narrowed.said else narrowed.rule.condition_of_all)


def _conditions(said: Sequence[str], deleted: str) -> list[ColumnElement[bool]]:
    """With places for the values, so that statements are of as few shapes as there are ways to ask."""
    found = [_NARROWING[name] for name in said]
    if deleted != "include":
        found.append(Customer.deleted_at.is_(None) if deleted == "exclude" else Customer.deleted_at.is_not(None))
    return found


def _values(db: Connection, narrowed: CustomerFilter) -> dict[str, Any] | None:
    """For the places of `_conditions`. None where an external id that nobody has rules out every row.

    The key is looked up first and not joined: keys and customers may live on different nodes.
    """
    found = {name: getattr(narrowed, name) for name in narrowed.said}
    if narrowed.q is not None:
        found |= {"grams": narrowed.q.grams, "patterns": narrowed.q.patterns}
    if narrowed.email is not None:
        found["email"] = contact_points.email_key(narrowed.email)
    if narrowed.tag is not None:
        found["tag"] = [narrowed.tag]
    if narrowed.external_id is not None:
        key = narrowed.external_id
        found["external_id"] = queries.get_customer_id_by_key(db, key.source, key.external_id)
        if found["external_id"] is None:
            return None
    found.pop("q", None)
    return found


_TEXTS = ARRAY(Text)


def _said(name: str, column: str | None = None) -> ColumnElement[bool]:
    return _CUSTOMERS.c[column or name] == bindparam(name)


# By what the caller says; the values have the same names.
_NARROWING: Mapping[str, ColumnElement[bool]] = {
    # The grams are what the index finds; the patterns leave out rows that have them in other places.
    "q": and_(
        Customer.search_grams.contains(bindparam("grams", type_=_TEXTS)),
        Customer.search_text.like(all_(bindparam("patterns", type_=_TEXTS))),
    ),
    "email": _said("email", "email_key"),
    "tag": Customer.tags.contains(bindparam("tag", type_=_TEXTS)),
    "external_id": _said("external_id", "id"),
    **{name: _said(name) for name in ("phone", "country", "status", "owner")},
    "updated_after": Customer.updated_at > bindparam("updated_after"),
    "updated_before": Customer.updated_at < bindparam("updated_before"),
    "created_after": Customer.created_at > bindparam("created_after"),
    "created_before": Customer.created_at < bindparam("created_before"),
}
