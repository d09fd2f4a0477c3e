"""Counting again: whether customers' stored metrics are what their interactions add up to, and putting them right where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from app.contact_history import metering, metric_queries
from app.contact_history.metric_queries import Recount
from app.core.caller import Caller
from app.core.errors import NotFound
from app.db.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Page:
    """How many customers were counted, which of them differ, and the id behind which the next page begins; None: there is none."""

    counted: int
    wrong: Sequence[Recount]
    last: UUID | None


def compare(db: Connection, *, after: UUID | None, count: int) -> Page:
    """The next `count` customers behind `after`, deleted ones too. Stored and counted are of one moment, whoever writes meanwhile."""
    found = metric_queries.list_recounts(db, after=after, count=count)
    wrong = [recount for recount in found if recount.stored != recount.counted]
    return Page(len(found), wrong, found[-1].customer_id if len(found) == count else None)


def rebuild(unit: UnitOfWork, caller: Caller, *, customer_id: UUID) -> bool:
    """Count one customer again, while nobody else can write an interaction of it; whether that changed anything. Raises NotFound."""
    customer = metering.lock(unit, [customer_id]).get(customer_id)
    recount = metric_queries.recount_customer(unit.connection, customer_id)
    if customer is None or recount is None:
        raise NotFound
    metering.write(unit, caller, customer, recount.counted)
    return customer.metrics != recount.counted
