"""Many writes in one unit of work: each decided as it would be alone, one after the other, and written together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from app.core import bulk
from app.core.bulk import Result, Sent
from app.core.caller import Caller
from app.core.preconditions import Precondition
from app.core.syncing import Done, ExternalKey, Op, Outcome
from app.customers import matching, service, syncing
from app.customers.book import Book
from app.customers.bulk import queries
from app.customers.bulk.together import References, Together
from app.customers.record import CustomerRecord
from app.db.unit_of_work import UnitOfWork

# Any: values of a customer's fields.


# Tuples, since imports make millions of them.
class Item(NamedTuple):
    """One write among many: of the customer with `customer_id`, or of the one that `key` stands for; with neither, a new one."""

    op: Op
    key: ExternalKey | None
    customer_id: UUID | None
    data: Mapping[str, Any]
    match: Sequence[str]
    precondition: Precondition
    # Of the line of an import that this item is made of.
    digest: bytes | None = None
    # Where in what was sent `data` is: before the pointers to what is wrong with it.
    data_pointer: str = ""


class Synced(NamedTuple):
    """A customer who is as one line of an import has left it."""

    done: Done
    # Of that line, under the definitions that it was checked against.
    digest: bytes
    # Of the attributes' definitions now.
    edition: UUID | None


def look_up(db: Connection, *, wanted: Sequence[UUID | ExternalKey]) -> list[CustomerRecord | None]:
    """The customers that are meant, in the order asked for; None where there is none, or it is deleted."""
    ids = queries.list_ids_by_key(db, {one for one in wanted if isinstance(one, ExternalKey)})
    meant = [ids.get(one) if isinstance(one, ExternalKey) else one for one in wanted]
    found = queries.list_customers_by_id(db, {one for one in meant if one is not None}, locked=False)
    records = [found.get(one) if one is not None else None for one in meant]
    return [record if record is not None and record.deleted_at is None else None for record in records]


def find_ids(db: Connection, *, keys: Collection[ExternalKey]) -> Mapping[ExternalKey, UUID]:
    """Whom each external id stands for, where it stands for somebody."""
    return queries.list_ids_by_key(db, keys)


def find_synced(db: Connection, *, ids: Mapping[ExternalKey, UUID]) -> dict[ExternalKey, Synced]:
    """Of those, whose customer is as one line of an import has left it: the same line, meaning the same, would not change it."""
    synced = queries.list_synced(db, set(ids.values()))
    found = {}
    for key, customer_id in ids.items():
        if customer_id in synced:
            version, digest, edition = synced[customer_id]
            found[key] = Synced(Done(Outcome.UNCHANGED, customer_id, version), digest, edition)
    return found


def digest_under(edition: UUID | None, digest: bytes, data: Mapping[str, Any]) -> bytes:
    """The digest of a line with `data` under an edition of the attributes' definitions, and from that the line's own again.

    A line that speaks of attributes means the same only where they are defined as before.
    """
    if edition is None or "attributes" not in data:
        return digest
    return bytes(one ^ other for one, other in zip(digest, edition.bytes, strict=True))


def apply(unit: UnitOfWork, caller: Caller, *, items: Sequence[Sent[Item]], restore: bool) -> Sequence[Result]:
    """What became of each item, in order; a later one sees what an earlier one did, and one that is refused leaves nothing behind.

    An item that is a KehuError already stays one. With `restore` a deleted customer comes back by a write that meets it.
    """
    book, results = decide(unit, caller, items=items, restore=restore, looked={})
    book.write()
    return results


def decide(
    unit: UnitOfWork, caller: Caller, *, items: Sequence[Sent[Item]], restore: bool, looked: Mapping[ExternalKey, UUID | None]
) -> tuple[Together, Sequence[Result]]:
    """As `apply`, with everything left to be written by the book. `looked`: whom external ids stood for a moment ago."""
    book = Together(unit, caller, _references(items), looked)
    return book, bulk.decide_each(items, decide=lambda item: _decide(book, item, restore), is_written=book.is_written)


def _references(items: Sequence[Sent[Item]]) -> References:
    found = References()
    for sent in items:
        # An unchanged one will rarely be looked at; then it is asked for by itself.
        if isinstance(sent, Item):
            _refer(found, sent)
    return found


def _refer(found: References, item: Item) -> None:
    if item.key is not None:
        found.keys.add(item.key)
    if item.customer_id is not None:
        found.ids.add(item.customer_id)
    external_ids = item.data.get("external_ids") or {}
    found.keys.update(ExternalKey(source, text) for source, text in external_ids.items() if text is not None)
    organization_id = item.data.get("organization_id")
    if organization_id is not None:
        found.ids.add(organization_id)
    found.identifiers.update(matching.readable_identifiers(item.match, item.data))


def _decide(book: Together, item: Item, restore: bool) -> Done:
    if item.op is Op.DELETE:
        return _delete(book, item)
    if item.key is not None:
        synced = syncing.upsert(
            book,
            key=item.key,
            data=item.data,
            mode=bulk.MODES[item.op],
            restore=restore,
            precondition=item.precondition,
            match=item.match,
        )
        if item.digest is not None and _is_made_by(synced, item):
            book.note_digest(synced.record.id, digest_under(book.definitions.edition, item.digest, item.data))
        return Done(synced.outcome, synced.record.id, synced.record.version)
    if item.customer_id is None:
        item.precondition.check_absent()
        record = service.create(book, data=item.data, match=item.match)
        return Done(Outcome.CREATED, record.id, record.version)
    before = book.find(item.customer_id)
    after = service.patch(
        book, customer_id=item.customer_id, data=item.data, restore=restore, precondition=item.precondition, match=item.match
    )
    return Done(Outcome.UNCHANGED if after is before else Outcome.UPDATED, after.id, after.version)


def _delete(book: Book, item: Item) -> Done:
    customer_id = syncing.meant(book, item.key).id if item.key is not None else item.customer_id
    assert customer_id is not None
    before = book.find(customer_id)
    if before is not None and syncing.is_stale(before, item.data):
        return Done(Outcome.STALE, before.id, before.version)
    after = service.delete(book, customer_id=customer_id, precondition=item.precondition)
    return Done(Outcome.UNCHANGED if after is before else Outcome.DELETED, after.id, after.version, is_gone=True)


def _is_made_by(synced: syncing.Synced, item: Item) -> bool:
    """Whether the same line would be answered `unchanged`: not where it was too old to say more than whom it means."""
    if synced.outcome not in (Outcome.CREATED, Outcome.UPDATED):
        return False
    return "source_updated_at" not in item.data or synced.record.source_updated_at == item.data["source_updated_at"]
