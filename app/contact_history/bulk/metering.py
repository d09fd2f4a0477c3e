"""Keeping the metrics of many customers true at once: decided for all of them by what they were when they were read, and again for those
few that somebody has written by the time they are locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from app.changes import log
from app.changes.log import Written
from app.contact_history import metering, metrics
from app.contact_history.bulk import metric_queries
from app.contact_history.bulk.metric_queries import Found
from app.contact_history.metric_queries import Metered, State
from app.contact_history.metrics import Draft, Fact, Metrics
from app.customers.record import CustomerRecord
from app.db.unit_of_work import UnitOfWork


def metered(customer: CustomerRecord) -> Metered:
    """A customer that this unit has made."""
    values = Metrics(*(getattr(customer, name) for name in metrics.NAMES))
    return Metered(customer.id, State(customer.deleted_at, customer.version, customer.metrics_version, customer.xid), values)


class Metering:
    """What follows for customers from facts that are gone and that have come, an update and an event for each customer that changes."""

    def __init__(self, unit: UnitOfWork, facts: Mapping[UUID, tuple[list[Fact], list[Fact]]]) -> None:
        self._unit = unit
        self._facts = facts
        # Those for which something has to be looked up, once all interactions are written.
        self._open: dict[UUID, tuple[Metered, Draft]] = {}
        # The others, as they are sent.
        self._updates: dict[UUID, str] = {}
        self._events: dict[UUID, Written] = {}

    def decide(self, customers: Iterable[Metered]) -> None:
        """For those of `customers` that the facts are of; what was decided for one of them before does not count any more."""
        for customer in customers:
            if customer.id in self._facts:
                gone, come = self._facts[customer.id]
                draft = metrics.draft(customer.metrics, gone=gone, come=come)
                if draft.is_open:
                    self._open[customer.id] = customer, draft
                else:
                    self._open.pop(customer.id, None)
                    self._settle(customer, draft, Found())

    def write(self) -> list[Written]:
        """Write the metrics of the customers, which are locked, and whose interactions are written; the events, which are not yet."""
        found = metric_queries.find_lost(self._unit.connection, {customer_id: draft for customer_id, (_, draft) in self._open.items()})
        for customer_id, (customer, draft) in self._open.items():
            self._settle(customer, draft, found[customer_id])
        metric_queries.update_metrics(self._unit.connection, self._updates.values())
        return list(self._events.values())

    def _settle(self, customer: Metered, draft: Draft, found: Found) -> None:
        after = metrics.settled(draft, found=found.times, left=found.left)
        self._updates.pop(customer.id, None)
        self._events.pop(customer.id, None)
        if after != customer.metrics:
            self._updates[customer.id] = metric_queries.row_to_update(customer, after, xid=self._unit.xid)
            self._events[customer.id] = log.written(metering.told(customer, after))
