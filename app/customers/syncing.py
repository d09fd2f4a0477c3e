"""Customers by the ids of other systems: the calls that an e-commerce sync is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.core.errors import Conflict, FieldFault, Invalid, NotFound, Outrun
from app.core.preconditions import Precondition
from app.core.syncing import ExternalKey, Mode, Outcome
from app.customers import matching, queries, service, writing
from app.customers.book import Book
from app.customers.record import CustomerRecord, ShownCustomer

# Any: values of a customer's fields.


# A tuple, since imports make millions of them.
class Synced(NamedTuple):
    record: CustomerRecord
    outcome: Outcome
    # Also where the id was attached and nothing else was taken.
    is_stale: bool = False


def get(db: Connection, *, key: ExternalKey, known: Collection[str]) -> ShownCustomer:
    """As by its id. Raises NotFound, or Gone where it is deleted."""
    customer_id = queries.get_customer_id_by_key(db, key.source, key.external_id)
    if customer_id is None:
        raise NotFound
    return service.get(db, customer_id=customer_id, known=known)


def upsert(
    book: Book,
    *,
    key: ExternalKey,
    data: Mapping[str, Any],
    mode: Mode,
    restore: bool,
    precondition: Precondition,
    match: Sequence[str] = (),
) -> Synced:
    """The customer that `key` stands for, made or changed by the merge patch `data`. With `restore` a deleted one comes back by it.

    Where `key` stands for nobody, the customer who has one of the identifiers that `match` names gets it, if there is one.

    Raises NotFound (Mode.UPDATE and there is none), Gone, PreconditionRequired, PreconditionFailed, Invalid, and Conflict (an external id
    is taken; the identifiers point at several customers; Mode.CREATE and there is one).
    """
    _refuse_other_id(key, data)
    before = _find_by_key(book, key)
    if before is None:
        external_ids = _with_key(key, data)
        candidates = matching.find(book, matching.identifiers(match, data), external_ids)
        if mode is Mode.CREATE:
            matching.refuse(candidates)
        matched = matching.the_one(candidates)
        if matched is not None:
            precondition.check(matched.version)
            return Synced(_attach(book, key, matched, data), Outcome.UPDATED, is_stale=is_stale(matched, data))
        if mode is Mode.UPDATE:
            raise NotFound
        precondition.check_absent()
        # The source of the address is where the customer was first heard of, unless the caller knows better.
        told = {"source": key.source, **data, "external_ids": external_ids}
        return Synced(writing.create(book, told, own=key), Outcome.CREATED)
    if not restore:
        service.living(before)
    precondition.check(before.version)
    if mode is Mode.CREATE:
        raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=before.id)
    if is_stale(before, data):
        # Nor restored: a message that comes late must not bring back whom somebody deleted since.
        return Synced(before, Outcome.STALE, is_stale=True)
    after = writing.change(book, before, data)
    return Synced(after, Outcome.UNCHANGED if after is before else Outcome.UPDATED)


def detach(book: Book, *, key: ExternalKey, precondition: Precondition) -> None:
    """Take the external id away from its customer. Raises NotFound, Gone, PreconditionRequired, PreconditionFailed."""
    before = meant(book, key)
    service.living(before)
    precondition.check(before.version)
    writing.change(book, before, {"external_ids": {key.source: None}})


def meant(book: Book, key: ExternalKey) -> CustomerRecord:
    """The customer that the external id stands for, deleted or not. Raises NotFound."""
    record = _find_by_key(book, key)
    if record is None:
        raise NotFound
    return record


def _find_by_key(book: Book, key: ExternalKey) -> CustomerRecord | None:
    """Two statements and no join: keys and customers may live on different nodes."""
    customer_id = book.find_id(key)
    if customer_id is None:
        return None
    record = book.find(customer_id)
    if record is None or record.external_ids.get(key.source) != key.external_id:
        # Detached, and perhaps attached elsewhere, between the two statements.
        raise Outrun
    return record


def _attach(book: Book, key: ExternalKey, before: CustomerRecord, data: Mapping[str, Any]) -> CustomerRecord:
    # An older message says who this is all the same, and nothing else.
    told = {} if is_stale(before, data) else data
    return writing.change(book, before, {**told, "external_ids": _with_key(key, told)}, own=key)


def _with_key(key: ExternalKey, data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data.get("external_ids", {}), key.source: key.external_id}


def is_stale(before: CustomerRecord, data: Mapping[str, Any]) -> bool:
    """Whether what is stored is newer by the source's own time."""
    sent, stored = data.get("source_updated_at"), before.source_updated_at
    return sent is not None and stored is not None and bool(sent < stored)


def _refuse_other_id(key: ExternalKey, data: Mapping[str, Any]) -> None:
    """The address says which id the customer has at its source; a body that says otherwise is a mistake, whichever is meant.

    `external_ids: null` would detach every id, and so this one.
    """
    if "external_ids" not in data:
        return
    given = data["external_ids"]
    if given is None or given.get(key.source, key.external_id) != key.external_id:
        pointer = "/external_ids" if given is None else f"/external_ids/{key.source}"
        raise Invalid([FieldFault(pointer, "external_id_differs", "This is not the external id that the address names.")])
