"""Keeping a customer's metrics true: the only place that writes them.

Whoever writes an interaction that counts locks its customer first, and of two customers the one with the smaller id; then the row, then
its external id. So two writers never wait for each other in a circle, and what is looked up of a customer's interactions holds until the
commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from app.changes.log import Change, subject_of
from app.contact_history import metric_queries, metrics
from app.contact_history.metric_queries import Metered
from app.contact_history.metrics import Fact, Metrics
from app.contact_history.record import EntryRecord
from app.core.caller import Caller
from app.core.errors import Outrun
from app.db.unit_of_work import UnitOfWork


def fact_of(entry: EntryRecord) -> Fact | None:
    """What the interaction counts for; None where it is withdrawn."""
    if entry.deleted_at is not None:
        return None
    return Fact(entry.occurred_at, entry.kind, entry.direction, entry.amount, entry.currency)


def net(written: Iterable[tuple[EntryRecord | None, EntryRecord]]) -> dict[UUID, tuple[list[Fact], list[Fact]]]:
    """For each customer for whom that makes a difference, the facts that are gone and those that have come.

    Of each interaction: as it was before all, None where there was none, and as it is after all.
    """
    found: dict[UUID, tuple[list[Fact], list[Fact]]] = {}
    for before, after in written:
        gone = None if before is None else fact_of(before)
        come = fact_of(after)
        if gone == come and before is not None and before.customer_id == after.customer_id:
            continue
        if before is not None and gone is not None:
            found.setdefault(before.customer_id, ([], []))[0].append(gone)
        if come is not None:
            found.setdefault(after.customer_id, ([], []))[1].append(come)
    return found


def lock(unit: UnitOfWork, customer_ids: Iterable[UUID]) -> dict[UUID, Metered]:
    """The customers that there are among these, deleted or not, locked. Raises Outrun where a later transaction wrote one."""
    found = {}
    for customer_id in sorted(set(customer_ids)):
        customer = metric_queries.lock_metered(unit.connection, customer_id)
        if customer is not None:
            if customer.state.xid > unit.xid:
                raise Outrun
            found[customer_id] = customer
    return found


def change(unit: UnitOfWork, caller: Caller, customer: Metered, *, gone: Collection[Fact], come: Collection[Fact]) -> None:
    """Write what follows for a locked customer, after the interactions themselves are written."""
    drafted = metrics.draft(customer.metrics, gone=gone, come=come)
    found = metric_queries.find_extremes(unit.connection, customer.id, drafted.lost)
    left = metric_queries.find_currencies(unit.connection, customer.id, drafted.emptied)
    write(unit, caller, customer, metrics.settled(drafted, found=found, left=left))


def write(unit: UnitOfWork, caller: Caller, customer: Metered, after: Metrics) -> None:
    """Write the metrics of a locked customer and their event, unless they are the same. Raises Outrun."""
    if after == customer.metrics:
        return
    values = {**after._asdict(), "metrics_version": customer.state.metrics_version + 1, "xid": unit.xid}
    if not metric_queries.update_metrics(unit, caller, told(customer, after), customer.id, values=values):
        raise Outrun


def told(customer: Metered, after: Metrics) -> Change:
    """The event of a customer whose metrics change to `after`."""
    now = {"metrics": after._asdict(), "version": customer.state.version, "metrics_version": customer.state.metrics_version + 1}
    was = {"metrics": customer.metrics._asdict()}
    return Change("customer.metrics_changed", subject_of("customers", customer.id), was, now, ("metrics",), customer.id)
