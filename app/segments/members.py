"""Who is in a segment: the list of customers, narrowed by the rule that asks for the segment. Evaluated live."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from app.customers import listing as customers
from app.customers.listing import CustomerFilter, CustomerOrder, ListedCustomer
from app.db.engines import Snapshot
from app.rules import narrowing
from app.rules.catalogue import Catalogue
from app.segments import catalogue as segment_names

# Any: columns of rows.


@dataclass(frozen=True, slots=True)
class Page:
    """Members, one more than the limit where there are more; all pages of a walk are evaluated as at the first one's `now`."""

    rows: Sequence[ListedCustomer]
    now: datetime
    total: int | None


def list_page(
    db: Connection,
    catalogue: Catalogue,
    *,
    segment_id: UUID,
    sort: str,
    after: tuple[Any, ...] | None,
    limit: int,
    counted: bool,
    names: tuple[str, ...] | None,
) -> Page:
    """A page behind `after`, which is a sort value, an id, and the moment of the walk; of customers as JSON with `names`.

    Raises NotFound, and Conflict where the rule is broken.
    """
    narrowed, now = _narrowed(db, catalogue, segment_id, now=after[2] if after else None)
    order = CustomerOrder(
        column=customers.SORTS[sort.removeprefix("-")],
        descending=sort.startswith("-"),
        after=(after[0], after[1]) if after else None,
    )
    rows = customers.list_customers(db, narrowed=narrowed, order=order, count=limit + 1, names=names)
    return Page(rows, now, customers.count_customers(db, narrowed=narrowed) if counted else None)


def count(db: Connection, catalogue: Catalogue, *, segment_id: UUID) -> int:
    """Exactly. Raises as `list_page` does."""
    narrowed, _ = _narrowed(db, catalogue, segment_id, now=None)
    return customers.count_customers(db, narrowed=narrowed)


def stream(
    snapshot: Snapshot, catalogue: Catalogue, *, segment_id: UUID, names: tuple[str, ...] | None
) -> Generator[Sequence[Row[Any]], None, None]:
    """All members, by id, some at a time, each as JSON with `names`. Raises as `list_page` does."""
    with snapshot.watched():
        narrowed, _ = _narrowed(snapshot.connection, catalogue, segment_id, now=None)
    yield from customers.stream_customers(snapshot, narrowed=narrowed, names=names)


def _narrowed(db: Connection, catalogue: Catalogue, segment_id: UUID, *, now: datetime | None) -> tuple[CustomerFilter, datetime]:
    _, rule = segment_names.member(db, catalogue, segment_id)
    found = narrowing.begun(db, rule, now=now)
    return CustomerFilter(rule=found), found.now
