"""What an interaction and its event become by a write, whichever way it came in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.changes.log import Change, subject_of
from app.contact_history import metering
from app.contact_history.book import Book
from app.contact_history.record import TOLD, EntryRecord
from app.core.errors import FieldFault, Gone, Invalid
from app.core.syncing import ExternalKey

# Any: values of an interaction's fields.


def insert(book: Book, *, customer_id: UUID, values: Mapping[str, Any], pointer: str = "", own: ExternalKey | None = None) -> EntryRecord:
    """Write a new interaction; `values`: all of WRITABLE, in its order.

    Raises Invalid, pointing to `pointer`, where the customer is none, Gone where it is deleted, and Conflict where the external id is
    taken; Outrun where that is `own`, by which nothing was found before.
    """
    _check_living(book.hold([customer_id]), customer_id, pointer)
    unit = book.unit
    entry_id = book.new_id()
    now, told_now = unit.now, unit.now_text
    # By place, since all are there in their order: by name a record takes twice as long.
    record = EntryRecord._make((entry_id, customer_id, *values.values(), 1, now, now, None, unit.xid))
    times = {"created_at": told_now, "updated_at": told_now, "deleted_at": None}
    told = {"id": entry_id, "customer_id": customer_id, **values, "version": 1, **times}
    book.insert(record, Change("contact_history.created", subject(entry_id), None, told, TOLD, customer_id), own=own)
    return record


def change(book: Book, *, before: EntryRecord, changed: Mapping[str, Any], pointer: str = "") -> EntryRecord:
    """Write what is in `changed`, `deleted_at` and `customer_id` perhaps among it; `before` itself where that is nothing.

    Raises Conflict where an external id is taken, Gone where a customer is deleted, and Invalid, pointing to `pointer`, where the customer
    that it is moved to is none.
    """
    if not changed:
        return before
    unit = book.unit
    after = before._replace(
        **changed,
        version=before.version + 1,
        # A writer that waited for the customer began before the one that it waited for.
        updated_at=max(unit.now, before.updated_at),
        xid=unit.xid,
    )
    # What counts for nothing else than before leaves the customer alone.
    if metering.net([(before, after)]) or after.customer_id != before.customer_id:
        customers = (before.customer_id, after.customer_id)
        held = book.hold(customers)
        for customer_id in customers:
            _check_living(held, customer_id, pointer)
    told = {name: getattr(after, name) for name in (*changed, "version", "updated_at")}
    was = {name: getattr(before, name) for name in changed}
    book.update(before, after, Change(_type_of(before, after), subject(before.id), was, told, tuple(changed), after.customer_id))
    return after


def unknown_customer(pointer: str) -> Invalid:
    return Invalid([FieldFault(pointer, "customer_unknown", "There is no such customer.")], code="customer_unknown")


def subject(entry_id: UUID) -> str:
    return subject_of("contact-history", entry_id)


def _check_living(held: Mapping[UUID, datetime | None], customer_id: UUID, pointer: str) -> None:
    # Asked once, since an id is dear to look up.
    try:
        deleted_at = held[customer_id]
    except KeyError:
        raise unknown_customer(pointer) from None
    if deleted_at is not None:
        raise Gone(existing_id=customer_id, deleted_at=deleted_at)


def _type_of(before: EntryRecord, after: EntryRecord) -> str:
    if before.deleted_at is None:
        return "contact_history.updated" if after.deleted_at is None else "contact_history.deleted"
    return "contact_history.restored"
