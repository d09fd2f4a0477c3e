"""The book of many writes: everything they refer to is read beforehand, and what they decide is written set by set when all is decided.

Customers are locked when all is decided: whoever wrote an interaction of one of them in between changes no decision, and need not be
waited for before. Only what follows for that customer's metrics is worked out again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from app.changes import log
from app.changes.log import Change
from app.contact_history import merging, metric_queries
from app.contact_history.bulk import queries
from app.contact_history.bulk.footprint import Footprint, Holder, References
from app.contact_history.bulk.metering import Metering
from app.contact_history.bulk.owners import Owners
from app.contact_history.metering import net
from app.contact_history.record import EntryRecord, FoundEntry
from app.core.caller import Caller
from app.core.errors import Conflict, Outrun
from app.core.ids import ids_by_the_hundred
from app.core.syncing import ExternalKey
from app.customers.bulk import together as customers
from app.db.unit_of_work import UnitOfWork

# Any: columns of rows.


@dataclass(frozen=True, slots=True)
class _Told:
    """What `write` sends: external ids and what they are to stand for, None for nothing; rows as they are and as they were read, of those
    that move both; events, metrics, and customers to be made."""

    moved_keys: Mapping[ExternalKey, Holder | None]
    changed: list[EntryRecord]
    taken_out: list[EntryRecord]
    put_in: list[Sequence[Any]]
    updates: str | None
    events: Iterable[bytes]
    metering: Metering
    customers: customers.Together | None


class Together:
    """A Book in memory. What was not foreseen in its references is asked for one by one. Before `write` nothing is written that anybody
    could meet."""

    def __init__(self, unit: UnitOfWork, caller: Caller, references: References, looked: Mapping[ExternalKey, Holder | None]) -> None:
        """`looked`: what external ids stood for a moment ago; None: for nothing. Raises Outrun where that is seen to be so no more."""
        self.unit = unit
        self._caller = caller
        self._ids = ids_by_the_hundred()
        self._looked = {} if unit.contended else looked
        self._stored_keys: dict[ExternalKey, Holder | None] = {}
        self._keys: dict[ExternalKey, Holder | None] = {}
        self._stored: dict[UUID, EntryRecord | None] = {}
        self._records: dict[UUID, EntryRecord | None] = {}
        self._owners = Owners(unit, caller)
        self._changes: list[Change] = []
        self._written: dict[UUID, EntryRecord] = {}
        # Those that are to be inserted still.
        self._new: list[UUID] = []
        # Of an interaction that one line of an import alone has made what it is.
        self._digests: dict[UUID, bytes] = {}
        self._prepared: _Told | None = None
        self._read(references)

    def new_id(self) -> UUID:
        return next(self._ids)

    def find(self, entry_id: UUID, *, beside: UUID | None = None) -> FoundEntry | None:
        self._ask_for_entries([entry_id])
        record = self._records[entry_id]
        if record is None:
            return None
        return FoundEntry(record, self._owners.deleted_at(record.customer_id))

    def find_by_key(self, key: ExternalKey, *, beside: UUID | None = None) -> FoundEntry | None:
        holder = self._find_holder(key)
        if holder is None:
            return None
        found = self.find(holder[1])
        if found is None or found.entry.key != key:
            # Detached, and perhaps attached elsewhere, between the two statements.
            raise Outrun
        return found

    def find_customer(self, key: ExternalKey) -> UUID | None:
        return self._owners.find(key)

    def make_customer(self, key: ExternalKey, *, holder: UUID | None) -> UUID:
        return self._owners.plan(key)

    def hold(self, customer_ids: Collection[UUID]) -> Mapping[UUID, datetime | None]:
        return self._owners.hold(customer_ids)

    def insert(self, record: EntryRecord, change: Change, *, own: ExternalKey | None) -> None:
        self._hold_key(record, None)
        self._put(record, change)
        self._new.append(record.id)

    def update(self, before: EntryRecord, after: EntryRecord, change: Change) -> None:
        self._hold_key(after, before.key)
        self._digests.pop(after.id, None)
        self._put(after, change)

    def is_written(self, entry_id: UUID) -> bool:
        """Whether this unit has changed the interaction already."""
        return entry_id in self._written

    def note_digest(self, entry_id: UUID, digest: bytes) -> None:
        """The interaction is now as the line with `digest` alone makes it."""
        self._digests[entry_id] = digest

    def has_met(self, other: Footprint) -> bool:
        """Whether anything that this book has looked at is of `other`'s making."""
        return not (
            other.ids.isdisjoint(one.int for one in self._stored)
            and other.keys.isdisjoint(self._stored_keys)
            and other.customer_keys.isdisjoint(self._owners.planned_keys)
        )

    def footprint(self) -> Footprint | None:
        """What the decisions made so far change; None: nothing."""
        if not self._changes:
            return None
        moved = self._moved_keys() if self._prepared is None else self._prepared.moved_keys
        return Footprint(
            frozenset(entry_id.int for entry_id in self._written),
            frozenset((source, external_id) for source, external_id in moved),
            frozenset((source, external_id) for source, external_id in self._owners.made_keys),
        )

    def prepare(self) -> None:
        """The part of writing that needs no turn: new rows, which are in nobody's way, and what `write` sends. Nothing may be decided
        afterwards."""
        told = self._told()
        # Who makes customers often finds that the chunk before has made one of them, and then all was written in vain.
        if told.customers is None:
            self._insert()
        self._prepared = replace(told, events=list(told.events))
        self.unit.end_copy()

    def write(self) -> None:
        """Write all that was decided. Raises Outrun where somebody else wrote what was decided upon since it was read."""
        if not self._changes:
            return
        # What was not prepared is made while the database is already writing what was made before.
        told = self._prepared or self._told()
        # Customers before their interactions, and rows before keys, as everywhere.
        told.metering.decide(self._owners.lock())
        if told.customers is not None:
            told.customers.write()
        self._check_versions(told.changed)
        self._exchange_keys(told.moved_keys)
        queries.take_out_entries(self.unit.connection, told.taken_out)
        self._insert()
        if told.put_in:
            queries.put_in_entries(self.unit, told.put_in)
        if told.updates is not None:
            queries.update_entries(self.unit.connection, told.updates)
        log.append_rows(self.unit, chain(told.events, log.rows_to_append(self._caller, told.metering.write())))

    def _told(self) -> _Told:
        written = [(self._stored.get(entry_id), after) for entry_id, after in self._written.items()]
        changed = [(before, after) for before, after in written if before is not None]
        moved = [(before, after) for before, after in changed if before.customer_id != after.customer_id]
        updates = [self._row(after) for before, after in changed if before.customer_id == after.customer_id]
        book, made = self._owners.make()
        metering = Metering(self.unit, net(written))
        metering.decide(chain(self._owners.as_read(), made))
        return _Told(
            moved_keys=self._moved_keys(),
            changed=[before for before, _ in changed],
            taken_out=[before for before, _ in moved],
            put_in=[self._row(after) for _, after in moved],
            updates=queries.rows_to_update(updates) if updates else None,
            events=log.rows_to_append(self._caller, log.written(self._changes)),
            metering=metering,
            customers=book,
        )

    def _insert(self) -> None:
        """Write those that are new, unless that is done."""
        if self._new:
            queries.insert_entries(self.unit, (self._row(self._written[entry_id]) for entry_id in self._new))
            self._new = []

    def _read(self, references: References) -> None:
        self._ask_for_keys(references.keys)
        named = references.customer_ids | self._owners.ask_by_key(references.customer_keys)
        entry_ids = references.ids.union(holder[1] for holder in self._stored_keys.values() if holder is not None)
        if self.unit.contended:
            # Whoever takes turns does it by the customers first.
            seen = queries.list_entries_by_id(self.unit.connection, entry_ids, locked=False)
            owners = {entry.customer_id for entry in seen.values()}
            metric_queries.lock_set(self.unit, named | owners)
        self._ask_for_entries(entry_ids)
        there = [entry for entry in self._records.values() if entry is not None]
        self._ask_for_keys({entry.key for entry in there if entry.key is not None} | self._new_keys(references))
        self._check_keys(there)
        self._owners.ask(named.union(entry.customer_id for entry in there))

    def _new_keys(self, references: References) -> set[ExternalKey]:
        found = set()
        for entry_id, said in references.renamed:
            entry = self._records[entry_id]
            if entry is not None:
                source, external_id = said.get("source", entry.source), said.get("external_id", entry.external_id)
                if source is not None and external_id is not None:
                    found.add(ExternalKey(source, external_id))
        return found

    def _ask_for_keys(self, keys: Collection[ExternalKey]) -> None:
        wanted = [key for key in keys if key not in self._keys]
        if not wanted:
            return
        found = queries.list_holders(self.unit.connection, [key for key in wanted if key not in self._looked])
        for key in wanted:
            self._stored_keys[key] = self._keys[key] = self._looked[key] if key in self._looked else found.get(key)

    def _ask_for_entries(self, ids: Iterable[UUID]) -> None:
        wanted = [entry_id for entry_id in ids if entry_id not in self._records]
        if not wanted:
            return
        found = queries.list_entries_by_id(self.unit.connection, wanted, locked=self.unit.contended)
        self._check_keys(found.values())
        for entry_id in wanted:
            self._stored[entry_id] = self._records[entry_id] = found.get(entry_id)

    def _check_keys(self, found: Iterable[EntryRecord]) -> None:
        """Raises Outrun where one of them has an external id that was seen to stand for something else just before, or for it below another
        customer: that was changed between the two statements."""
        for entry in found:
            holder = (entry.customer_id, entry.id)
            if entry.key is not None and self._stored_keys.get(entry.key, holder) != holder:
                raise Outrun

    def _find_holder(self, key: ExternalKey) -> Holder | None:
        if key not in self._keys:
            self._ask_for_keys([key])
        return self._keys[key]

    def _hold_key(self, record: EntryRecord, before: ExternalKey | None) -> None:
        key = record.key
        if key is not None and key != before:
            holder = self._find_holder(key)
            if holder is not None and holder[1] != record.id:
                raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=holder[1])
        if before is not None and key != before:
            self._find_holder(before)
            self._keys[before] = None
        if key is not None:
            self._find_holder(key)
            self._keys[key] = (record.customer_id, record.id)

    def _put(self, record: EntryRecord, change: Change) -> None:
        self._records[record.id] = self._written[record.id] = record
        self._changes.append(change)
        self._owners.note_written(record.customer_id)

    def _moved_keys(self) -> dict[ExternalKey, Holder | None]:
        return {key: holder for key, holder in self._keys.items() if self._stored_keys[key] != holder}

    def _check_versions(self, changed: Collection[EntryRecord]) -> None:
        locked = queries.lock_versions(self.unit.connection, [before.id for before in changed])
        for before in changed:
            customer_id, version, xid = locked.get(before.id, (None, 0, 0))
            if (customer_id, version) != (before.customer_id, before.version) or xid > self.unit.xid:
                raise Outrun

    def _exchange_keys(self, moved: Mapping[ExternalKey, Holder | None]) -> None:
        queries.release_keys(self.unit.connection, [key for key in moved if self._stored_keys[key] is not None])
        held = {key: holder for key, holder in moved.items() if holder is not None}
        queries.claim_keys(self.unit, held)

    def _row(self, record: EntryRecord) -> Sequence[Any]:
        return merging.stored(record, digest=self._digests.get(record.id))
