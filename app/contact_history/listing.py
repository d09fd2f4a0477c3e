"""Lists of interactions: one customer's timeline, and those of all customers; filters, order, pages and totals.

What belongs to a deleted customer is in none of them. The interactions themselves do not say so: a deletion would have to write each of
them. Their customer's row does, which the join by its key asks for; both lie on one node where they are distributed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Text,
    all_,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)

from app.contact_history import queries
from app.contact_history.models import ContactHistoryEntry
from app.core.errors import Gone, NotFound
from app.core.search import SearchQuery
from app.customers.models import Customer
from app.db import keyset, planning
from app.db.base import table_of
from app.db.engines import Snapshot
from app.db.prepared import Prepared
from app.rules.keeping import Page
from app.rules.narrowing import Narrowing, Ruled, narrowing

# Any: column values of a row.

_CUSTOMERS = table_of(Customer)
_ENTRIES = table_of(ContactHistoryEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """What a list is narrowed to; None: not at all. Times exclude their bound; `deleted` is exclude or only."""

    q: SearchQuery | None = None
    kind: str | None = None
    channel: str | None = None
    direction: str | None = None
    agent: str | None = None
    occurred_after: datetime | None = None
    occurred_before: datetime | None = None
    deleted: str = "exclude"
    rule: Narrowing | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """What narrows beside a rule and `deleted`."""
        return tuple(name for name in _NARROWING if getattr(self, name) is not None)

    @property
    def values(self) -> dict[str, Any]:
        """For the places in what narrows."""
        found = {name: getattr(self, name) for name in self.said if name != "q"}
        return found if self.q is None else {**found, "grams": self.q.grams, "patterns": self.q.patterns}


class ListedEntry(NamedTuple):
    """A row of a list: the interaction as JSON, and its place."""

    json: str
    id: UUID
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """At most `count` of them as JSON with `names`, by the time at which it happened, ties broken by id, from behind `after` on."""

    count: int
    names: tuple[str, ...] | None = None
    descending: bool = True
    after: tuple[datetime, UUID] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """For the places in the statement of a page."""
        return {} if self.after is None else {"after_at": self.after[0], "after_id": self.after[1]}


class _Shape(NamedTuple):
    """What makes one statement of a page differ from another, but for a rule."""

    said: tuple[str, ...]
    deleted: str
    names: tuple[str, ...] | None
    descending: bool
    is_first: bool
    # How many, in the statement itself, as of a page of customers.
    rows: int


def narrowed(db: Connection, query: Mapping[str, Any], ruled: Ruled | None) -> EntryFilter:
    """What `query` and a rule narrow a list to. Raises Invalid where the rule is not sound."""
    told = {name: query[name] for name in EntryFilter.__slots__ if name in query}
    return EntryFilter(**told, rule=narrowing(db, ruled))


def list_timeline(db: Connection, *, customer_id: UUID, narrowed: EntryFilter, page: EntryPage) -> Sequence[ListedEntry]:
    """A page of one customer's interactions, in one round trip. Raises NotFound, and Gone where the customer is deleted."""
    found = _rows(db, _prepared_timeline, _timeline, narrowed, page, {"customer": customer_id})
    if not found:
        raise NotFound
    deleted_at = found[0][3]
    if deleted_at is not None:
        raise Gone(existing_id=customer_id, deleted_at=deleted_at)
    return [ListedEntry(*row[:3]) for row in found if row[1] is not None]


def count_timeline(db: Connection, *, customer_id: UUID, narrowed: EntryFilter) -> int:
    """How many of one customer's interactions there are in all, exactly."""
    return _counted(
        db, _narrowed(select(func.count()).select_from(_ENTRIES).where(_ENTRIES.c.customer_id == customer_id), narrowed), narrowed
    )


def list_entries(db: Connection, *, customer_id: UUID | None, narrowed: EntryFilter, page: EntryPage) -> Sequence[ListedEntry]:
    """A page of the interactions of all living customers, or of one."""
    if customer_id is None:
        found = _rows(db, _prepared_list, _list, narrowed, page, {})
    else:
        found = _rows(db, _prepared_list_of_customer, _list_of_customer, narrowed, page, {"customer": customer_id})
    return [ListedEntry(*row) for row in found]


def stream_entries(
    snapshot: Snapshot, *, customer_id: UUID | None, narrowed: EntryFilter, names: tuple[str, ...] | None
) -> Generator[Sequence[Row[Any]], None, None]:
    """All of `list_entries`, by id, some at a time, each as JSON with `names`."""
    statement = _narrowed(_of_the_living(select(queries.as_json(names)), customer_id), narrowed)
    return snapshot.blocks(statement.order_by(_ENTRIES.c.id), narrowed.values)


def count_entries(db: Connection, *, customer_id: UUID | None, narrowed: EntryFilter) -> int:
    """How many there are in all, exactly."""
    return _counted(db, _narrowed(_of_the_living(select(func.count()), customer_id), narrowed), narrowed)


def _counted(db: Connection, statement: Select[Any], narrowed: EntryFilter) -> int:
    with planning.for_values(db):
        total: int = db.execute(statement, narrowed.values).scalar_one()
    return total


def _of_the_living(statement: Select[Any], customer_id: UUID | None) -> Select[Any]:
    joined = statement.select_from(_ENTRIES.join(_CUSTOMERS, _CUSTOMERS.c.id == _ENTRIES.c.customer_id))
    joined = joined.where(_CUSTOMERS.c.deleted_at.is_(None))
    return joined if customer_id is None else joined.where(_ENTRIES.c.customer_id == customer_id)


def _narrowed(statement: Select[Any], narrowed: EntryFilter) -> Select[Any]:
    found = statement.where(*_conditions(narrowed.said, narrowed.deleted))
    return found if narrowed.rule is None else found.where(narrowed.rule.condition)


def _rows(
    db: Connection,
    prepared: Callable[[_Shape], Prepared],
    built: Callable[..., Select[Any]],
    narrowed: EntryFilter,
    page: EntryPage,
    values: Mapping[str, Any],
) -> Sequence[Sequence[Any]]:
    shape = _Shape(narrowed.said, narrowed.deleted, page.names, page.descending, page.after is None, page.count)
    bound = {**values, **narrowed.values, **page.values}
    if narrowed.rule is None:
        return prepared(shape).all(db, bound)
    first = shape._replace(is_first=True)
    return narrowed.rule.rows(db, Page(build=built, shape=shape, first=first, values=bound))


def _timeline(shape: _Shape, *rule: ColumnElement[bool]) -> Select[Any]:
    """With the customer's row, which is there whether or not there is an interaction."""
    below = _page(shape, rule).where(_ENTRIES.c.customer_id == _CUSTOMERS.c.id).correlate(_CUSTOMERS).lateral("page")
    statement = (
        select(*below.c, _CUSTOMERS.c.deleted_at.label("customer_deleted_at"))
        .select_from(_CUSTOMERS.outerjoin(below, true()))
        .where(_CUSTOMERS.c.id == bindparam("customer"))
    )
    return keyset.page_after(statement, column=below.c.occurred_at, key=below.c.id, after=None, descending=shape.descending)


def _list(shape: _Shape, *rule: ColumnElement[bool]) -> Select[Any]:
    return _of_the_living(_page(shape, rule), None)


def _list_of_customer(shape: _Shape, *rule: ColumnElement[bool]) -> Select[Any]:
    return _list(shape, *rule).where(_ENTRIES.c.customer_id == bindparam("customer"))


def _page(shape: _Shape, rule: Sequence[ColumnElement[bool]]) -> Select[Any]:
    shown = (queries.as_json(shape.names).label("json"), _ENTRIES.c.id, _ENTRIES.c.occurred_at)
    statement = select(*shown).where(*_conditions(shape.said, shape.deleted), *rule)
    place = (_ENTRIES.c.occurred_at, _ENTRIES.c.id)
    after = None if shape.is_first else (bindparam("after_at", type_=place[0].type), bindparam("after_id", type_=place[1].type))
    paged = keyset.page_after(statement, column=place[0], key=place[1], after=after, descending=shape.descending)
    return paged.limit(literal_column(str(shape.rows), Integer))


# To build the statement anew took half of a page's time.
@lru_cache(maxsize=500)
def _prepared_timeline(shape: _Shape) -> Prepared:
    return Prepared(_timeline(shape))


@lru_cache(maxsize=500)
def _prepared_list(shape: _Shape) -> Prepared:
    return Prepared(_list(shape))


@lru_cache(maxsize=500)
def _prepared_list_of_customer(shape: _Shape) -> Prepared:
    return Prepared(_list_of_customer(shape))


def _conditions(said: Sequence[str], deleted: str) -> list[ColumnElement[bool]]:
    """With places for the values, so that statements are of as few shapes as there are ways to ask."""
    of_deleted = _ENTRIES.c.deleted_at.is_(None) if deleted == "exclude" else _ENTRIES.c.deleted_at.is_not(None)
    return [of_deleted, *(_NARROWING[name] for name in said)]


_TEXTS = ARRAY(Text)

# By what the caller says; the values have the same names.
_NARROWING: Mapping[str, ColumnElement[bool]] = {
    "q": and_(
        # As the index's own condition says it, or it would not be used.
        _ENTRIES.c.search_text != literal_column("''"),
        _ENTRIES.c.search_grams.contains(bindparam("grams", type_=_TEXTS)),
        _ENTRIES.c.search_text.like(all_(bindparam("patterns", type_=_TEXTS))),
    ),
    **{name: _ENTRIES.c[name] == bindparam(name) for name in ("kind", "channel", "direction", "agent")},
    "occurred_after": _ENTRIES.c.occurred_at > bindparam("occurred_after"),
    "occurred_before": _ENTRIES.c.occurred_at < bindparam("occurred_before"),
}
