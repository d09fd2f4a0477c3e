"""Lists of interactions: one customer's timeline, and those of all customers; filters, order, pages and totals.

What belongs to a deleted customer is in none of them. The interactions themselves do not say so: a deletion would have to write each of
them. Their customer's row does, which the join by its key asks for; both lie on one node where they are distributed.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal_column, select, true

from app.contact_history import queries
from app.contact_history.models import ContactHistoryEntry
from app.core.errors import Gone, NotFound
from app.core.search import SearchQuery
from app.customers.models import Customer
from app.db import keyset
from app.db.base import table_of
from app.db.engines import Snapshot
from app.rules.narrowing import Narrowing, Ruled, narrowing

# Any: column values of a row.

_CUSTOMERS = table_of(Customer)
_ENTRIES = table_of(ContactHistoryEntry)

# The filters that ask for one value.
_EXACT = ("kind", "channel", "direction", "agent")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """At most `count` of them as JSON with `names`, by the time at which it happened, ties broken by id, from behind `after` on."""

    count: int
    names: tuple[str, ...] | None = None
    descending: bool = True
    after: tuple[datetime, UUID] | None = None

    @property
    def columns(self) -> tuple[ColumnElement[Any], ...]:
        """What is selected for each: its `json`, and its place in the list."""
        return (queries.as_json(self.names).label("json"), _ENTRIES.c.id, _ENTRIES.c.occurred_at)


def narrowed(db: Connection, query: Mapping[str, Any], ruled: Ruled | None) -> EntryFilter:
    """What `query` and a rule narrow a list to. Raises Invalid where the rule is not sound."""
    told = {name: query[name] for name in EntryFilter.__slots__ if name in query}
    return EntryFilter(**told, rule=narrowing(db, ruled))


def list_timeline(db: Connection, *, customer_id: UUID, narrowed: EntryFilter, page: EntryPage) -> Sequence[Row[Any]]:
    """A page of one customer's interactions, in one round trip. Raises NotFound, and Gone where the customer is deleted."""
    entries = select(*page.columns).select_from(_ENTRIES).where(_ENTRIES.c.customer_id == _CUSTOMERS.c.id)
    below = _paged(entries, narrowed, page).correlate(_CUSTOMERS).lateral("page")
    # The customer's row is there, whether or not there is an interaction.
    statement = (
        select(*below.c, _CUSTOMERS.c.deleted_at.label("customer_deleted_at"))
        .select_from(_CUSTOMERS.outerjoin(below, true()))
        .where(_CUSTOMERS.c.id == customer_id)
    )
    found = db.execute(_ordered(statement, below.c.occurred_at, below.c.id, page)).all()
    if not found:
        raise NotFound
    if found[0].customer_deleted_at is not None:
        raise Gone(existing_id=customer_id, deleted_at=found[0].customer_deleted_at)
    return [row for row in found if row.id is not None]


def count_timeline(db: Connection, *, customer_id: UUID, narrowed: EntryFilter) -> int:
    """How many of one customer's interactions there are in all, exactly."""
    statement = select(func.count()).select_from(_ENTRIES).where(_ENTRIES.c.customer_id == customer_id, *_conditions(narrowed))
    return db.execute(statement).scalar_one()


def list_entries(db: Connection, *, customer_id: UUID | None, narrowed: EntryFilter, page: EntryPage) -> Sequence[Row[Any]]:
    """A page of the interactions of all living customers, or of one."""
    return db.execute(_paged(_of_the_living(select(*page.columns), customer_id), narrowed, page)).all()


def stream_entries(
    snapshot: Snapshot, *, customer_id: UUID | None, narrowed: EntryFilter, names: tuple[str, ...] | None
) -> Generator[Sequence[Row[Any]], None, None]:
    """All of `list_entries`, by id, some at a time, each as JSON with `names`."""
    statement = _of_the_living(select(queries.as_json(names)), customer_id).where(*_conditions(narrowed))
    return snapshot.blocks(statement.order_by(_ENTRIES.c.id))


def count_entries(db: Connection, *, customer_id: UUID | None, narrowed: EntryFilter) -> int:
    """How many there are in all, exactly."""
    total: int = db.execute(_of_the_living(select(func.count()), customer_id).where(*_conditions(narrowed))).scalar_one()
    return total


def _of_the_living(statement: Select[Any], customer_id: UUID | None) -> Select[Any]:
    joined = statement.select_from(_ENTRIES.join(_CUSTOMERS, _CUSTOMERS.c.id == _ENTRIES.c.customer_id))
    joined = joined.where(_CUSTOMERS.c.deleted_at.is_(None))
    return joined if customer_id is None else joined.where(_ENTRIES.c.customer_id == customer_id)


def _paged(statement: Select[Any], narrowed: EntryFilter, page: EntryPage) -> Select[Any]:
    narrowed_down = statement.where(*_conditions(narrowed))
    place = (_ENTRIES.c.occurred_at, _ENTRIES.c.id)
    return keyset.page_after(narrowed_down, column=place[0], key=place[1], after=page.after, descending=page.descending).limit(page.count)


def _ordered(statement: Select[Any], column: ColumnElement[Any], key: ColumnElement[Any], page: EntryPage) -> Select[Any]:
    return keyset.page_after(statement, column=column, key=key, after=None, descending=page.descending)


def _conditions(narrowed: EntryFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        _ENTRIES.c.deleted_at.is_(None) if narrowed.deleted == "exclude" else _ENTRIES.c.deleted_at.is_not(None)
    ]
    if narrowed.rule is not None:
        found.append(narrowed.rule.condition)
    if narrowed.q is not None:
        # As the index's own condition says it, or it would not be used.
        found.append(_ENTRIES.c.search_text != literal_column("''"))
        found.append(_ENTRIES.c.search_grams.contains(narrowed.q.grams))
        found.extend(_ENTRIES.c.search_text.like(pattern, escape="\\") for pattern in narrowed.q.patterns)
    for name in _EXACT:
        value = getattr(narrowed, name)
        if value is not None:
            found.append(_ENTRIES.c[name] == value)
    if narrowed.occurred_after is not None:
        found.append(_ENTRIES.c.occurred_at > narrowed.occurred_after)
    if narrowed.occurred_before is not None:
        found.append(_ENTRIES.c.occurred_at < narrowed.occurred_before)
    return found
