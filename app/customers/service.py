"""What can be done with one customer by its id; by an external id, see `app.customers.syncing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from app.attributes import queries as attribute_queries
from app.changes import queries as change_queries
from app.core.caller import Caller
from app.core.errors import Gone, NotFound
from app.core.ids import new_id
from app.core.preconditions import Precondition
from app.customers import keys, merging, queries, writing
from app.customers.record import CustomerRecord
from app.db.unit_of_work import UnitOfWork

# Any: values of a customer's fields.


def create(unit: UnitOfWork, caller: Caller, *, data: Mapping[str, Any]) -> CustomerRecord:
    """A new customer. Raises Invalid, and Conflict where one of its external ids is taken."""
    values = merging.new(data, definitions=attribute_queries.list_definitions(unit.connection))
    customer_id = new_id()
    writing.check_organization(unit, customer_id, values["organization_id"])
    keys.claim(unit, customer_id, values["external_ids"])
    return writing.insert(unit, caller, customer_id=customer_id, values=values)


def get(db: Connection, *, customer_id: UUID) -> CustomerRecord:
    """Raises NotFound, or Gone where it is deleted."""
    return living(_found(queries.get_customer_by_id(db, customer_id)))


def patch(
    unit: UnitOfWork, caller: Caller, *, customer_id: UUID, data: Mapping[str, Any], restore: bool, precondition: Precondition
) -> CustomerRecord:
    """The customer after the merge patch. With `restore` a deleted one comes back by it.

    Raises NotFound, Gone, PreconditionRequired, PreconditionFailed, Invalid, Conflict.
    """
    before = to_change(unit, customer_id)
    if not restore:
        living(before)
    precondition.check(before.version)
    return writing.change(unit, caller, before=before, patch=data)


def delete(unit: UnitOfWork, caller: Caller, *, customer_id: UUID, precondition: Precondition) -> None:
    """Deleted softly; once more is no change. Raises NotFound, PreconditionRequired, PreconditionFailed."""
    before = to_change(unit, customer_id)
    if before.deleted_at is not None:
        return
    precondition.check(before.version)
    writing.delete(unit, caller, before=before)


def restore(unit: UnitOfWork, caller: Caller, *, customer_id: UUID) -> CustomerRecord:
    """The customer, there again; no change where it was not deleted. Raises NotFound."""
    return writing.change(unit, caller, before=to_change(unit, customer_id), patch={})


def list_changes(db: Connection, *, customer_id: UUID, before: tuple[int, int] | None, count: int) -> Sequence[Row[Any]]:
    """At most `count` events about the customer, deleted or not, newest first, older than `before` (xid, id). Raises NotFound."""
    _found(queries.get_customer_by_id(db, customer_id))
    return change_queries.list_events_of_subject(db, subject=writing.subject(customer_id), before=before, count=count)


def to_change(unit: UnitOfWork, customer_id: UUID) -> CustomerRecord:
    """The row as a change begins from it. Raises NotFound.

    It is read without a lock at first, since most changes meet nobody and many turn out to be none: those write nothing at all then. That
    the row is still the same is decided by the UPDATE; where it was not, the unit is run again, and takes its turn by a lock.
    """
    read = queries.lock_customer_by_id if unit.contended else queries.get_customer_by_id
    return _found(read(unit.connection, customer_id))


def living(record: CustomerRecord) -> CustomerRecord:
    """Raises Gone where it is deleted."""
    if record.deleted_at is not None:
        raise Gone(existing_id=record.id, deleted_at=record.deleted_at)
    return record


def _found(record: CustomerRecord | None) -> CustomerRecord:
    if record is None:
        raise NotFound
    return record
