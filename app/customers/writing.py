"""Writing one customer's row and its event, whichever way the change came in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.attributes import definition
from app.attributes import queries as attribute_queries
from app.changes.log import Change, subject_of
from app.core.caller import Caller
from app.core.errors import FieldFault, Invalid, Outrun
from app.customers import keys, merging, queries
from app.customers.record import METRICS, TOLD, CustomerRecord
from app.db.unit_of_work import UnitOfWork

# Any: values of a customer's fields.

_NO_METRICS: Mapping[str, Any] = {
    **dict.fromkeys(METRICS),
    "contact_count": 0,
    "order_count": 0,
    "order_total": {},
    "metrics_version": 0,
}


def insert(unit: UnitOfWork, caller: Caller, *, customer_id: UUID, values: Mapping[str, Any]) -> CustomerRecord:
    """Write a new customer whose external ids are claimed already."""
    record = CustomerRecord(
        **values,
        **_NO_METRICS,
        id=customer_id,
        version=1,
        created_at=unit.now,
        updated_at=unit.now,
        deleted_at=None,
        xid=unit.xid,
    )
    told = {name: getattr(record, name) for name in TOLD}
    event = Change("customer.created", subject(customer_id), None, told, TOLD)
    queries.insert_customer(unit, caller, event, values={**_columns(record), **merging.derived(values)})
    return record


def change(unit: UnitOfWork, caller: Caller, *, before: CustomerRecord, patch: Mapping[str, Any]) -> CustomerRecord:
    """Write what `patch` changes of a customer, who is not deleted afterwards; `before` itself where that is nothing.

    Raises Invalid, and Conflict where an external id is taken.
    """
    # Few changes touch attributes, and only those need to know what is defined.
    definitions = attribute_queries.list_definitions(unit.connection) if "attributes" in patch else definition.NONE
    changed = merging.merge(_columns(before), patch, definitions=definitions)
    if "organization_id" in changed:
        check_organization(unit, before.id, changed["organization_id"])
    restored = before.deleted_at is not None
    if restored:
        changed["deleted_at"] = None
    if not changed:
        return before
    return _write(unit, caller, "customer.restored" if restored else "customer.updated", before, changed)


def delete(unit: UnitOfWork, caller: Caller, *, before: CustomerRecord) -> CustomerRecord:
    """Mark a customer as deleted; its external ids stay its own."""
    return _write(unit, caller, "customer.deleted", before, {"deleted_at": unit.now})


def check_organization(unit: UnitOfWork, customer_id: UUID, organization_id: UUID | None) -> None:
    """Raises Invalid where the organisation is no customer, or the customer itself."""
    if organization_id is None:
        return
    if organization_id == customer_id or not queries.has_customer(unit.connection, organization_id):
        fault = FieldFault("/organization_id", "organization_unknown", "This has to be the id of another customer.")
        raise Invalid([fault])


def subject(customer_id: UUID) -> str:
    return subject_of("customers", customer_id)


def _write(unit: UnitOfWork, caller: Caller, kind: str, before: CustomerRecord, changed: Mapping[str, Any]) -> CustomerRecord:
    after = dataclasses.replace(
        before,
        **changed,
        version=before.version + 1,
        # A writer that waited for the row began before the one that it waited for.
        updated_at=max(unit.now, before.updated_at),
        xid=unit.xid,
    )
    told = {name: getattr(after, name) for name in (*changed, "version", "updated_at")}
    was = {name: getattr(before, name) for name in changed}
    event = Change(kind, subject(before.id), was, told, tuple(changed))
    values = _columns(after)
    values |= merging.derived(values)
    if not queries.update_customer(unit, caller, event, before.id, known_version=before.version, values=values):
        # Somebody else wrote it since we read it, or a later transaction than ours did.
        raise Outrun
    # After the row: who waits for an id that is being claimed holds the row that it is for, always in this order.
    if "external_ids" in changed:
        keys.exchange(unit, before.id, before=before.external_ids, after=after.external_ids)
    return after


def _columns(record: CustomerRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
