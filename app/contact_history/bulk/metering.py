"""Keeping the metrics of many customers true at once: decided for all of them by what they were when they were read, and again for those
few that somebody has written by the time they are locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from app.changes import log
from app.changes.log import Written
from app.contact_history import metering, metrics
from app.contact_history.bulk import metric_queries
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
        # Of the others what they become, and the event as it is sent; None: nothing changes.
        self._settled: dict[UUID, tuple[Metrics, Written] | None] = {}

    def decide(self, customers: Iterable[Metered]) -> None:
        """For those of `customers` that the facts are of; what was decided for one of them before does not count any more."""
        decided = []
        for customer in customers:
            facts = self._facts.get(customer.id)
            if facts is None:
                continue
            draft = metrics.draft(customer.metrics, gone=facts[0], come=facts[1])
            if draft.is_open:
                self._settled.pop(customer.id, None)
                self._open[customer.id] = customer, draft
            else:
                if self._open:
                    self._open.pop(customer.id, None)
                decided.append((customer, draft.metrics))
        self._note(decided)

    def write(self) -> list[Written]:
        """Write the metrics of the customers, which are locked, and whose interactions are written; the events, which are not yet."""
        found = metric_queries.find_lost(self._unit.connection, {customer_id: draft for customer_id, (_, draft) in self._open.items()})
        self._note(
            (customer, metrics.settled(draft, found=found[customer_id].times, left=found[customer_id].left))
            for customer_id, (customer, draft) in self._open.items()
        )
        changed = [(customer_id, *settled) for customer_id, settled in self._settled.items() if settled is not None]
        written = [(customer_id, after) for customer_id, after, _ in changed]
        metric_queries.update_metrics(self._unit.connection, written, xid=self._unit.xid)
        return [event for _, _, event in changed]

    def _note(self, decided: Iterable[tuple[Metered, Metrics]]) -> None:
        """What each customer becomes, and the event of that; None where it stays as it is."""
        changed = []
        for customer, after in decided:
            if after == customer.metrics:
                self._settled[customer.id] = None
            else:
                changed.append((customer, after))
        events = log.written(metering.told(customer, after) for customer, after in changed)
        for (customer, after), event in zip(changed, events, strict=True):
            self._settled[customer.id] = after, event
