"""What can be done with one interaction by its id; by an external id, see `app.contact_history.syncing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from app.contact_history import attribution, merging, metering, queries, writing
from app.contact_history.attribution import Owner
from app.contact_history.record import EntryRecord, FoundEntry
from app.core.caller import Caller
from app.core.errors import Gone, NotFound, Outrun
from app.core.preconditions import Precondition
from app.db.unit_of_work import UnitOfWork

# Any: values of an interaction's fields.


def create(unit: UnitOfWork, caller: Caller, *, customer_id: UUID, data: Mapping[str, Any]) -> EntryRecord:
    """A new interaction. Raises Invalid, NotFound, Gone where the customer is deleted, and Conflict where its external id is taken."""
    values = merging.new(data, now=unit.now)
    customer = metering.lock(unit, [customer_id]).get(customer_id)
    if customer is None:
        raise NotFound
    return writing.insert(unit, caller, customer=writing.living(customer, ""), values=values)


def get(db: Connection, *, entry_id: UUID) -> EntryRecord:
    """Raises NotFound, or Gone where it is withdrawn or its customer deleted."""
    return living(queries.get_entry_by_id(db, entry_id))


def patch(
    unit: UnitOfWork, caller: Caller, *, entry_id: UUID, data: Mapping[str, Any], restore: bool, precondition: Precondition
) -> EntryRecord:
    """The interaction after the merge patch, moved where that names another customer. With `restore` a withdrawn one comes back by it.

    Raises NotFound, Gone, PreconditionRequired, PreconditionFailed, Invalid, Conflict.
    """
    owner = attribution.find(unit, data, create_missing=False)
    before = to_change(unit, queries.get_entry_by_id(unit.connection, entry_id), owner, restore=restore)
    precondition.check(before.version)
    return apply(unit, caller, before=before, data=data, owner=owner)


def delete(unit: UnitOfWork, caller: Caller, *, entry_id: UUID, precondition: Precondition) -> None:
    """Withdrawn; once more is no change. Raises NotFound, Gone where the customer is deleted, PreconditionRequired, PreconditionFailed."""
    before = to_change(unit, queries.get_entry_by_id(unit.connection, entry_id), None, restore=True)
    if before.deleted_at is not None:
        return
    precondition.check(before.version)
    writing.change(unit, caller, before=before, changed={"deleted_at": unit.now})


def restore(unit: UnitOfWork, caller: Caller, *, entry_id: UUID) -> EntryRecord:
    """The interaction, there again; no change where it was not withdrawn. Raises NotFound, and Gone where the customer is deleted."""
    before = to_change(unit, queries.get_entry_by_id(unit.connection, entry_id), None, restore=True)
    return apply(unit, caller, before=before, data={}, owner=None)


def apply(unit: UnitOfWork, caller: Caller, *, before: EntryRecord, data: Mapping[str, Any], owner: Owner | None) -> EntryRecord:
    """Write what the merge patch changes of an interaction, which is not withdrawn afterwards. Raises Invalid, Gone, Conflict."""
    changed = merging.merge(writing.columns(before), attribution.fields_of(data), now=unit.now)
    if before.deleted_at is not None:
        changed["deleted_at"] = None
    if owner is not None and owner.customer_id != before.customer_id:
        changed["customer_id"] = attribution.settle(unit, caller, owner, holder=before.customer_id)
    return writing.change(unit, caller, before=before, changed=changed, pointer=owner.pointer if owner else "")


def to_change(unit: UnitOfWork, found: FoundEntry | None, owner: Owner | None, *, restore: bool) -> EntryRecord:
    """The row as a change begins from it. Raises NotFound, and Gone where its customer is deleted or, without `restore`, it is itself.

    It is read without a lock at first, since most changes meet nobody and many turn out to be none. Where it was not the same any more
    when it was written, the unit is run again, and takes its turn: by the customers, which come before their interactions.
    """
    if found is None:
        raise NotFound
    if unit.contended:
        customer_id = found.entry.customer_id
        metering.lock(unit, [customer_id, *([owner.customer_id] if owner and owner.customer_id else [])])
        found = queries.get_entry_of_customer(unit.connection, customer_id, found.entry.id)
        if found is None:
            # Moved between the two statements.
            raise Outrun
    return _checked(found, restore=restore)


def living(found: FoundEntry | None) -> EntryRecord:
    """Raises NotFound, or Gone where it is withdrawn or its customer deleted."""
    if found is None:
        raise NotFound
    return _checked(found, restore=False)


def _checked(found: FoundEntry, *, restore: bool) -> EntryRecord:
    entry = found.entry
    if found.customer_deleted_at is not None:
        raise Gone(existing_id=entry.customer_id, deleted_at=found.customer_deleted_at)
    if entry.deleted_at is not None and not restore:
        raise Gone("contact_history_deleted", existing_id=entry.id, deleted_at=entry.deleted_at)
    return entry
