"""Interactions by the ids of other systems: orders, tickets and calls as a sync sends them, in any order and more than once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.contact_history import attribution, merging, queries, service, writing
from app.contact_history.attribution import Owner
from app.contact_history.book import Book
from app.contact_history.record import EntryRecord, ShownEntry
from app.core.errors import Conflict, FieldFault, Invalid, NotFound
from app.core.preconditions import Precondition
from app.core.syncing import ExternalKey, Mode, Outcome

# Any: values of an interaction's fields.


# A tuple, since imports make millions of them.
class Synced(NamedTuple):
    record: EntryRecord
    outcome: Outcome


def get(db: Connection, *, key: ExternalKey, known: Collection[str]) -> ShownEntry:
    """As by its id. Raises NotFound, or Gone where it is withdrawn or its customer deleted."""
    held = queries.get_holder(db, key)
    if held is None:
        raise NotFound
    # By its id alone where it was moved between the two statements.
    return service.there(queries.show_entry_of_customer(db, *held, known=known) or queries.show_entry_by_id(db, held[1], known=known))


def upsert(
    book: Book,
    *,
    key: ExternalKey,
    data: Mapping[str, Any],
    mode: Mode,
    restore: bool,
    create_missing: bool,
    precondition: Precondition,
) -> Synced:
    """The interaction that `key` stands for, made or changed by the merge patch `data`, and moved where that names another customer.

    With `restore` a withdrawn one comes back by it; with `create_missing` a customer that nobody knows is made. Raises NotFound
    (Mode.UPDATE and there is none), Gone, PreconditionRequired, PreconditionFailed, Invalid, and Conflict (Mode.CREATE and there is one).
    """
    _refuse_other_id(key, data)
    owner = attribution.find(book, data, create_missing=create_missing)
    found = book.find_by_key(key, beside=owner.customer_id if owner else None)
    if found is None:
        if mode is Mode.UPDATE:
            raise NotFound
        precondition.check_absent()
        said = {**data, "source": key.source, "external_id": key.external_id}
        return Synced(_create(book, said, owner, own=key), Outcome.CREATED)
    before = service.to_change(found, restore=restore)
    precondition.check(before.version)
    if mode is Mode.CREATE:
        raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=before.id)
    after = service.apply(book, before=before, data=data, owner=owner)
    return Synced(after, Outcome.UNCHANGED if after is before else Outcome.UPDATED)


def create(book: Book, *, data: Mapping[str, Any], create_missing: bool, precondition: Precondition) -> EntryRecord:
    """A new interaction of the customer that `data` names. Raises as `upsert` does, and Conflict where its external id is taken."""
    owner = attribution.find(book, data, create_missing=create_missing)
    precondition.check_absent()
    return _create(book, data, owner, own=None)


def detach(book: Book, *, key: ExternalKey, precondition: Precondition) -> None:
    """Take the external id away from its interaction. Raises NotFound, Gone, PreconditionRequired, PreconditionFailed."""
    before = service.living(book.find_by_key(key))
    precondition.check(before.version)
    writing.change(book, before=before, changed={"external_id": None})


def _create(book: Book, data: Mapping[str, Any], owner: Owner | None, *, own: ExternalKey | None) -> EntryRecord:
    values = merging.new(attribution.fields_of(data), now=book.unit.now)
    if owner is None:
        raise Invalid([FieldFault("/customer_id", "required", "Say whose it is, by `customer_id` or by `customer`.")])
    customer_id = attribution.settle(book, owner, holder=None)
    return writing.insert(book, customer_id=customer_id, values=values, pointer=owner.pointer, own=own)


def _refuse_other_id(key: ExternalKey, data: Mapping[str, Any]) -> None:
    """The address says by which id the interaction is known; a body that says otherwise is a mistake, whichever is meant."""
    for name, known in (("source", key.source), ("external_id", key.external_id)):
        if data.get(name, known) != known:
            raise Invalid([FieldFault(f"/{name}", "external_id_differs", "This is not what the address says.")])
