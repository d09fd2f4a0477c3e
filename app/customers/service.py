"""What can be done with one customer by its id; by an external id, see `app.customers.syncing`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from app.changes import catalogue as change_catalogue
from app.changes import queries as change_queries
from app.core.caller import Caller
from app.core.errors import Gone, NotFound
from app.core.preconditions import Precondition
from app.customers import matching, queries, writing
from app.customers.book import Book
from app.customers.record import CustomerRecord, ShownCustomer

# Any: values of a customer's fields.


def create(book: Book, *, data: Mapping[str, Any], match: Sequence[str] = ()) -> CustomerRecord:
    """A new customer. Raises Invalid, and Conflict where one of its external ids is taken, or where somebody has one of the identifiers
    that `match` names."""
    matching.refuse_existing(book, matching.identifiers(match, data))
    return writing.create(book, data)


def get(db: Connection, *, customer_id: UUID, known: Collection[str]) -> ShownCustomer:
    """`known`: the tags of which the caller has the JSON already. Raises NotFound, or Gone where it is deleted."""
    found = queries.show_customer_by_id(db, customer_id, known=known)
    if found is None:
        raise NotFound
    if found.deleted_at is not None:
        raise Gone(existing_id=found.id, deleted_at=found.deleted_at)
    return found


def patch(
    book: Book, *, customer_id: UUID, data: Mapping[str, Any], restore: bool, precondition: Precondition, match: Sequence[str] = ()
) -> CustomerRecord:
    """The customer after the merge patch. With `restore` a deleted one comes back by it.

    Raises NotFound, Gone, PreconditionRequired, PreconditionFailed, Invalid, and Conflict (an external id is taken; another customer has
    one of the identifiers that `match` names and the patch sets).
    """
    if match:
        book.take_turns(customer_id, lambda seen: matching.readable_identifiers(match, data, region=seen.country))
    before = _found(book.find(customer_id))
    if not restore:
        living(before)
    precondition.check(before.version)
    matching.refuse_existing(book, matching.identifiers(match, data, region=before.country), other_than=customer_id)
    return writing.change(book, before, data)


def delete(book: Book, *, customer_id: UUID, precondition: Precondition) -> CustomerRecord:
    """Deleted softly; once more is no change. Raises NotFound, PreconditionRequired, PreconditionFailed."""
    before = _found(book.find(customer_id))
    if before.deleted_at is not None:
        return before
    precondition.check(before.version)
    return writing.delete(book, before)


def restore(book: Book, *, customer_id: UUID) -> CustomerRecord:
    """The customer, there again; no change where it was not deleted. Raises NotFound."""
    return writing.change(book, _found(book.find(customer_id)), {})


def list_changes(db: Connection, caller: Caller, *, customer_id: UUID, before: tuple[int, int] | None, count: int) -> Sequence[Row[Any]]:
    """At most `count` events about the customer, deleted or not, that the caller may see, newest first, older than `before` (xid, id).

    Raises NotFound.
    """
    _found(queries.get_customer_by_id(db, customer_id))
    types = change_catalogue.visible(caller, None)
    return change_queries.list_events_of_subject(db, subject=writing.subject(customer_id), types=types, before=before, count=count)


def living(record: CustomerRecord) -> CustomerRecord:
    """Raises Gone where it is deleted."""
    if record.deleted_at is not None:
        raise Gone(existing_id=record.id, deleted_at=record.deleted_at)
    return record


def _found(record: CustomerRecord | None) -> CustomerRecord:
    if record is None:
        raise NotFound
    return record
