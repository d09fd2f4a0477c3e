"""What can be done with one interaction by its id; by an external id, see `app.contact_history.syncing`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from app.contact_history import attribution, merging, queries, writing
from app.contact_history.attribution import Owner
from app.contact_history.book import Book
from app.contact_history.record import EntryRecord, FoundEntry, ShownEntry
from app.core.errors import Gone, NotFound
from app.core.preconditions import Precondition

# Any: values of an interaction's fields.


def create(book: Book, *, customer_id: UUID, data: Mapping[str, Any]) -> EntryRecord:
    """A new interaction. Raises Invalid, NotFound, Gone where the customer is deleted, and Conflict where its external id is taken."""
    values = merging.new(data, now=book.unit.now)
    if customer_id not in book.hold([customer_id]):
        raise NotFound
    return writing.insert(book, customer_id=customer_id, values=values)


def get(db: Connection, *, entry_id: UUID, known: Collection[str]) -> ShownEntry:
    """`known`: the tags of which the caller has the JSON already.

    Raises NotFound, or Gone where it is withdrawn or its customer deleted.
    """
    return there(queries.show_entry_by_id(db, entry_id, known=known))


def patch(book: Book, *, entry_id: UUID, data: Mapping[str, Any], restore: bool, precondition: Precondition) -> EntryRecord:
    """The interaction after the merge patch, moved where that names another customer. With `restore` a withdrawn one comes back by it.

    Raises NotFound, Gone, PreconditionRequired, PreconditionFailed, Invalid, Conflict.
    """
    owner = attribution.find(book, data, create_missing=False)
    before = to_change(book.find(entry_id, beside=owner.customer_id if owner else None), restore=restore)
    precondition.check(before.version)
    return apply(book, before=before, data=data, owner=owner)


def delete(book: Book, *, entry_id: UUID, precondition: Precondition) -> EntryRecord:
    """Withdrawn; once more is no change. Raises NotFound, Gone where the customer is deleted, PreconditionRequired, PreconditionFailed."""
    before = to_change(book.find(entry_id), restore=True)
    if before.deleted_at is not None:
        return before
    precondition.check(before.version)
    return writing.change(book, before=before, changed={"deleted_at": book.unit.now})


def restore(book: Book, *, entry_id: UUID) -> EntryRecord:
    """The interaction, there again; no change where it was not withdrawn. Raises NotFound, and Gone where the customer is deleted."""
    return apply(book, before=to_change(book.find(entry_id), restore=True), data={}, owner=None)


def apply(book: Book, *, before: EntryRecord, data: Mapping[str, Any], owner: Owner | None) -> EntryRecord:
    """Write what the merge patch changes of an interaction, which is not withdrawn afterwards. Raises Invalid, Gone, Conflict."""
    changed = merging.merge(before._asdict(), attribution.fields_of(data), now=book.unit.now)
    if before.deleted_at is not None:
        changed["deleted_at"] = None
    if owner is not None and owner.customer_id != before.customer_id:
        changed["customer_id"] = attribution.settle(book, owner, holder=before.customer_id)
    return writing.change(book, before=before, changed=changed, pointer=owner.pointer if owner else "")


def living(found: FoundEntry | None) -> EntryRecord:
    """Raises NotFound, or Gone where it is withdrawn or its customer deleted."""
    return to_change(found, restore=False)


def to_change(found: FoundEntry | None, *, restore: bool) -> EntryRecord:
    """The row as a change begins from it. Raises NotFound, and Gone where its customer is deleted or, without `restore`, it is itself."""
    if found is None:
        raise NotFound
    entry = found.entry
    _check_there(entry, since=None if restore else entry.deleted_at, customer_since=found.customer_deleted_at)
    return entry


def there(found: ShownEntry | None) -> ShownEntry:
    """Raises NotFound, or Gone where it is withdrawn or its customer deleted."""
    if found is None:
        raise NotFound
    _check_there(found, since=found.deleted_at, customer_since=found.customer_deleted_at)
    return found


def _check_there(entry: EntryRecord | ShownEntry, *, since: datetime | None, customer_since: datetime | None) -> None:
    if customer_since is not None:
        raise Gone(existing_id=entry.customer_id, deleted_at=customer_since)
    if since is not None:
        raise Gone("contact_history_deleted", existing_id=entry.id, deleted_at=since)
