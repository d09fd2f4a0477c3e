"""Many writes in one unit of work: each decided as it would be alone, one after the other, and written together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from app.contact_history import attribution, service, syncing
from app.contact_history.bulk import queries
from app.contact_history.bulk.footprint import Holder, References
from app.contact_history.bulk.together import Together
from app.core import bulk
from app.core.bulk import Result, Sent
from app.core.caller import Caller
from app.core.errors import NotFound
from app.core.preconditions import Precondition
from app.core.syncing import Done, ExternalKey, Op, Outcome
from app.db.unit_of_work import UnitOfWork

# Any: values of an interaction's fields.


# A tuple, and the other one below, since imports make millions of them.
class Item(NamedTuple):
    """One write among many: of the interaction with `entry_id`, or of the one that `key` stands for; with neither, a new one."""

    op: Op
    key: ExternalKey | None
    entry_id: UUID | None
    data: Mapping[str, Any]
    precondition: Precondition
    # Of the line of an import that this item is made of.
    digest: bytes | None = None
    # Where in what was sent `data` is: before the pointers to what is wrong with it.
    data_pointer: str = ""


@dataclass(frozen=True, slots=True)
class How:
    """What holds for all items of a call: `restore` withdrawn interactions that they meet, `create_missing` customers."""

    restore: bool
    create_missing: bool


class Synced(NamedTuple):
    """An interaction that is as one line of an import has left it, and that line's digest."""

    done: Done
    digest: bytes
    customer_id: UUID


def find_holders(db: Connection, *, keys: Collection[ExternalKey]) -> Mapping[ExternalKey, Holder]:
    """What each external id stands for, where it stands for an interaction."""
    return queries.list_holders(db, keys)


def find_synced(db: Connection, *, holders: Mapping[ExternalKey, Holder]) -> dict[ExternalKey, Synced]:
    """Those of which the same line would change nothing, if it still means the same customer."""
    synced = queries.list_synced(db, {entry_id for _, entry_id in holders.values()})
    found = {}
    for key, (_, entry_id) in holders.items():
        if entry_id in synced:
            customer_id, version, digest = synced[entry_id]
            found[key] = Synced(Done(Outcome.UNCHANGED, entry_id, version), digest, customer_id)
    return found


def apply(unit: UnitOfWork, caller: Caller, *, items: Sequence[Sent[Item]], how: How) -> Sequence[Result]:
    """What became of each item, in order; a later one sees what an earlier one did, and one that is refused leaves nothing behind.

    An item that is a KehuError already stays one.
    """
    book, results = decide(unit, caller, items=items, how=how, looked={})
    book.write()
    return results


def decide(
    unit: UnitOfWork, caller: Caller, *, items: Sequence[Sent[Item]], how: How, looked: Mapping[ExternalKey, Holder | None]
) -> tuple[Together, Sequence[Result]]:
    """As `apply`, with everything left to be written by the book. `looked`: what external ids stood for a moment ago."""
    book = Together(unit, caller, _references(items), looked)
    return book, bulk.decide_each(items, decide=lambda item: _decide(book, item, how), is_written=book.is_written)


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
    if item.entry_id is not None:
        found.ids.add(item.entry_id)
        if "source" in item.data or "external_id" in item.data:
            found.renamed.append((item.entry_id, item.data))
    data = item.data
    if data.get("customer_id") is not None:
        found.customer_ids.add(data["customer_id"])
    if (named := attribution.key_of(data)) is not None:
        found.customer_keys.add(named)
    if data.get("source") is not None and data.get("external_id") is not None:
        found.keys.add(ExternalKey(data["source"], data["external_id"]))


def _decide(book: Together, item: Item, how: How) -> Done:
    if item.op is Op.DELETE:
        return _delete(book, item)
    if item.key is not None:
        synced = syncing.upsert(
            book,
            key=item.key,
            data=item.data,
            mode=bulk.MODES[item.op],
            restore=how.restore,
            create_missing=how.create_missing,
            precondition=item.precondition,
        )
        if item.digest is not None and synced.outcome is not Outcome.UNCHANGED:
            book.note_digest(synced.record.id, item.digest)
        return Done(synced.outcome, synced.record.id, synced.record.version)
    if item.entry_id is None:
        record = syncing.create(book, data=item.data, create_missing=how.create_missing, precondition=item.precondition)
        return Done(Outcome.CREATED, record.id, record.version)
    before = book.find(item.entry_id)
    after = service.patch(book, entry_id=item.entry_id, data=item.data, restore=how.restore, precondition=item.precondition)
    is_same = before is not None and after is before.entry
    return Done(Outcome.UNCHANGED if is_same else Outcome.UPDATED, after.id, after.version)


def _delete(book: Together, item: Item) -> Done:
    before = book.find_by_key(item.key) if item.key is not None else book.find(item.entry_id) if item.entry_id is not None else None
    if before is None:
        raise NotFound
    after = service.delete(book, entry_id=before.entry.id, precondition=item.precondition)
    return Done(Outcome.UNCHANGED if after is before.entry else Outcome.DELETED, after.id, after.version, is_gone=True)
