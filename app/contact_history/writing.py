"""Writing one interaction's row, its event, its external id and what it counts for, whichever way the change came in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.changes.log import Change, subject_of
from app.contact_history import merging, metering, queries
from app.contact_history.metric_queries import Metered
from app.contact_history.metrics import Fact
from app.contact_history.record import TOLD, EntryRecord
from app.core.caller import Caller
from app.core.errors import Conflict, FieldFault, Gone, Invalid, Outrun
from app.core.ids import new_id
from app.core.syncing import ExternalKey
from app.db.unit_of_work import UnitOfWork

# Any: values of an interaction's fields.


def insert(
    unit: UnitOfWork, caller: Caller, *, customer: Metered, values: Mapping[str, Any], own: ExternalKey | None = None
) -> EntryRecord:
    """Write a new interaction of a locked customer. Raises Conflict where its external id is taken; Outrun where that is `own`, by which
    nothing was found before."""
    record = EntryRecord(
        **values,
        id=new_id(),
        customer_id=customer.id,
        version=1,
        created_at=unit.now,
        updated_at=unit.now,
        deleted_at=None,
        xid=unit.xid,
    )
    if record.key is not None:
        _claim(unit, record, record.key, own=own)
    told = {name: getattr(record, name) for name in TOLD}
    event = Change("contact_history.created", subject(record.id), None, told, TOLD)
    queries.insert_entry(unit, caller, event, values={**columns(record), **merging.derived(values)})
    metering.change(unit, caller, customer, gone=(), come=_facts(record))
    return record


def change(unit: UnitOfWork, caller: Caller, *, before: EntryRecord, changed: Mapping[str, Any], pointer: str = "") -> EntryRecord:
    """Write what is in `changed`, `deleted_at` and `customer_id` perhaps among it; `before` itself where that is nothing.

    Raises Conflict where an external id is taken, Gone where a customer is deleted, and Invalid, pointing to `pointer`, where the customer
    that it is moved to is none.
    """
    if not changed:
        return before
    after = dataclasses.replace(
        before,
        **changed,
        version=before.version + 1,
        # A writer that waited for the customer began before the one that it waited for.
        updated_at=max(unit.now, before.updated_at),
        xid=unit.xid,
    )
    gone, come = _facts(before), _facts(after)
    moved = after.customer_id != before.customer_id
    # What counts for nothing else than before leaves the customer alone.
    held = metering.lock(unit, (before.customer_id, after.customer_id)) if moved or gone != come else {}
    for customer_id in held.keys() | ({after.customer_id} if moved else set()):
        living(held.get(customer_id), pointer)
    _write(unit, caller, before, after, tuple(changed))
    _exchange_keys(unit, before, after)
    if moved:
        metering.change(unit, caller, held[before.customer_id], gone=gone, come=())
        metering.change(unit, caller, held[after.customer_id], gone=(), come=come)
    elif held:
        metering.change(unit, caller, held[after.customer_id], gone=gone, come=come)
    return after


def living(customer: Metered | None, pointer: str) -> Metered:
    """Raises Invalid, pointing to where it was named, where there is no such customer, and Gone where it is deleted."""
    if customer is None:
        raise unknown_customer(pointer)
    if customer.deleted_at is not None:
        raise Gone(existing_id=customer.id, deleted_at=customer.deleted_at)
    return customer


def unknown_customer(pointer: str) -> Invalid:
    return Invalid([FieldFault(pointer, "customer_unknown", "There is no such customer.")], code="customer_unknown")


def subject(entry_id: UUID) -> str:
    return subject_of("contact-history", entry_id)


def columns(record: EntryRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _write(unit: UnitOfWork, caller: Caller, before: EntryRecord, after: EntryRecord, changed: tuple[str, ...]) -> None:
    told = {name: getattr(after, name) for name in (*changed, "version", "updated_at")}
    was = {name: getattr(before, name) for name in changed}
    event = Change(_type_of(before, after), subject(before.id), was, told, changed)
    values = columns(after)
    values |= merging.derived(values)
    write = queries.update_entry if after.customer_id == before.customer_id else queries.move_entry
    if not write(unit, caller, event, before, values=values):
        # Somebody else wrote it since we read it, or a later transaction than ours did.
        raise Outrun


def _type_of(before: EntryRecord, after: EntryRecord) -> str:
    if before.deleted_at is None:
        return "contact_history.updated" if after.deleted_at is None else "contact_history.deleted"
    return "contact_history.restored"


def _facts(record: EntryRecord) -> tuple[Fact, ...]:
    fact = metering.fact_of(record)
    return () if fact is None else (fact,)


def _exchange_keys(unit: UnitOfWork, before: EntryRecord, after: EntryRecord) -> None:
    """After the row: who waits for an id that is being claimed holds the row that it is for, always in this order."""
    if before.key == after.key:
        if after.key is not None and after.customer_id != before.customer_id:
            queries.move_key(unit.connection, after.key, customer_id=after.customer_id, entry_id=after.id)
        return
    if before.key is not None:
        queries.release_key(unit.connection, before.key, entry_id=before.id)
    if after.key is not None:
        _claim(unit, after, after.key)


def _claim(unit: UnitOfWork, record: EntryRecord, key: ExternalKey, *, own: ExternalKey | None = None) -> None:
    if queries.claim_key(unit.connection, key, customer_id=record.customer_id, entry_id=record.id):
        return
    holder = queries.get_holder(unit.connection, key)
    if key == own or holder is None:
        # Made since we looked, or released between our two statements: the next try finds it as it is.
        raise Outrun
    raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=holder[1])
