"""Keeping the metrics of many customers true at once: what all writes together come to for each of them, in a statement for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from app.changes.log import Change
from app.contact_history import metering, metrics
from app.contact_history.bulk import metric_queries
from app.contact_history.metric_queries import Metered
from app.contact_history.metrics import Fact, Metrics
from app.customers.record import CustomerRecord
from app.db.unit_of_work import UnitOfWork


def metered(customer: CustomerRecord) -> Metered:
    """A customer that this unit has made."""
    values = Metrics(**{name: getattr(customer, name) for name in Metrics.__slots__})
    return Metered(customer.id, customer.deleted_at, customer.version, customer.metrics_version, customer.xid, values)


def change(
    unit: UnitOfWork, customers: Mapping[UUID, Metered], facts: Mapping[UUID, tuple[Collection[Fact], Collection[Fact]]]
) -> list[Change]:
    """Write what follows for locked `customers` from facts that are gone and that have come, all of it written already; the events, one for
    each customer that changed."""
    drafts = {
        customer_id: metrics.draft(customers[customer_id].metrics, gone=gone, come=come) for customer_id, (gone, come) in facts.items()
    }
    found = metric_queries.find_lost(unit.connection, drafts)
    changed = []
    for customer_id, draft in drafts.items():
        after = metrics.settled(draft, found=found[customer_id].times, left=found[customer_id].left)
        if after != customers[customer_id].metrics:
            changed.append((customers[customer_id], after))
    metric_queries.update_metrics(unit.connection, changed, xid=unit.xid)
    return [metering.told(customer, after) for customer, after in changed]
