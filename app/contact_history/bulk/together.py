"""The book of many writes: everything they refer to is read beforehand, and what they decide is written at the end, set by set.

Customers are locked when all is decided: whoever wrote an interaction of one of them in between changes no decision, and need not be
waited for before. Only what follows for that customer's metrics is worked out again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from app.changes import log
from app.changes.log import Change
from app.contact_history import merging, metric_queries
from app.contact_history.bulk import queries
from app.contact_history.bulk.footprint import Footprint, References
from app.contact_history.bulk.metering import Metering, metered
from app.contact_history.metering import net
from app.contact_history.metric_queries import Metered
from app.contact_history.record import EntryRecord, FoundEntry
from app.core.caller import Caller
from app.core.errors import Conflict, Outrun
from app.core.ids import new_id
from app.core.syncing import ExternalKey
from app.customers import writing as customer_writing
from app.customers.bulk import queries as customer_queries
from app.customers.bulk import together as customers
from app.db.unit_of_work import UnitOfWork

# Any: columns of rows.
_Holder = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class _Told:
    """Rows as they are sent, those that are there as they were read, events, metrics, and customers to be made."""

    changed: list[EntryRecord]
    moved: list[EntryRecord]
    inserts: Iterable[bytes] | None
    updates: str | None
    events: Iterable[bytes]
    metering: Metering
    customers: customers.Together | None


class Together:
    """A Book in memory. What was not foreseen in its references is asked for one by one; nothing is written before `write`."""

    def __init__(self, unit: UnitOfWork, caller: Caller, references: References) -> None:
        self.unit = unit
        self._caller = caller
        self._stored_keys: dict[ExternalKey, _Holder | None] = {}
        self._keys: dict[ExternalKey, _Holder | None] = {}
        self._stored: dict[UUID, EntryRecord | None] = {}
        self._records: dict[UUID, EntryRecord | None] = {}
        self._customer_keys: dict[ExternalKey, UUID | None] = {}
        # Customers that were looked for, those of them that there are as they were read, and of these and those to be made since when each
        # is deleted.
        self._asked: set[UUID] = set()
        self._metered: dict[UUID, Metered] = {}
        self._deletions: dict[UUID, datetime | None] = {}
        # Decisions rest on what these are.
        self._held: set[UUID] = set()
        # Customers to be made once an interaction is theirs, and those that are.
        self._planned: dict[UUID, ExternalKey] = {}
        self._made: dict[UUID, ExternalKey] = {}
        self._changes: list[Change] = []
        self._written: dict[UUID, EntryRecord] = {}
        # Of an interaction that one line of an import alone has made what it is.
        self._digests: dict[UUID, bytes] = {}
        self._prepared: _Told | None = None
        self._read(references)

    def find(self, entry_id: UUID, *, beside: UUID | None = None) -> FoundEntry | None:
        self._ask_for_entries([entry_id])
        record = self._records[entry_id]
        if record is None:
            return None
        self._ask_for_customers([record.customer_id])
        return FoundEntry(record, self._deletions.get(record.customer_id))

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
        self._ask_for_customer_keys([key])
        return self._customer_keys[key]

    def make_customer(self, key: ExternalKey, *, holder: UUID | None) -> UUID:
        """Made when an interaction is written for it: one that is refused leaves nothing behind."""
        customer_id = new_id()
        self._planned[customer_id] = key
        self._customer_keys[key] = customer_id
        self._asked.add(customer_id)
        self._deletions[customer_id] = None
        return customer_id

    def hold(self, customer_ids: Iterable[UUID]) -> Mapping[UUID, datetime | None]:
        wanted = set(customer_ids)
        self._ask_for_customers(wanted)
        self._held |= wanted
        return {customer_id: self._deletions[customer_id] for customer_id in wanted if customer_id in self._deletions}

    def insert(self, record: EntryRecord, change: Change, *, own: ExternalKey | None) -> None:
        self._hold_key(record, None)
        self._put(record, change)

    def update(self, before: EntryRecord, after: EntryRecord, change: Change) -> None:
        self._hold_key(after, before.key)
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
            other.ids.isdisjoint(self._stored)
            and other.keys.isdisjoint(self._stored_keys)
            and other.customer_keys.isdisjoint(self._planned.values())
        )

    def footprint(self) -> Footprint | None:
        """What the decisions made so far change; None: nothing."""
        if not self._changes:
            return None
        return Footprint(frozenset(self._written), frozenset(self._moved_keys()), frozenset(self._made.values()))

    def prepare(self) -> None:
        """Make what `write` sends: the part of writing that needs no turn. Nothing may be decided afterwards."""
        told = self._told()
        self._prepared = replace(told, inserts=told.inserts and list(told.inserts), events=list(told.events))

    def write(self) -> None:
        """Write all that was decided. Raises Outrun where somebody else wrote what was decided upon since it was read."""
        if not self._changes:
            return
        # What was not prepared is made while the database is already writing what was made before.
        told = self._prepared or self._told()
        # Customers before their interactions, and rows before keys, as everywhere.
        told.metering.decide(self._lock_customers())
        if told.customers is not None:
            told.customers.write()
        self._check_versions(told.changed)
        self._exchange_keys()
        queries.take_out_entries(self.unit.connection, told.moved)
        if told.inserts is not None:
            queries.insert_entries(self.unit.connection, told.inserts)
        if told.updates is not None:
            queries.update_entries(self.unit.connection, told.updates)
        log.append_rows(self.unit, chain(told.events, log.rows_to_append(self.unit, self._caller, told.metering.write())))

    def _told(self) -> _Told:
        changed = {entry_id: before for entry_id in self._written if (before := self._stored.get(entry_id)) is not None}
        moved = {entry_id: before for entry_id, before in changed.items() if self._written[entry_id].customer_id != before.customer_id}
        new = [record for entry_id, record in self._written.items() if entry_id not in changed or entry_id in moved]
        updates = [self._row(self._written[entry_id]) for entry_id in changed if entry_id not in moved]
        book, made = self._customers_to_make()
        metering = Metering(self.unit, net((self._stored.get(entry_id), after) for entry_id, after in self._written.items()))
        metering.decide([*self._metered.values(), *made])
        return _Told(
            changed=list(changed.values()),
            moved=list(moved.values()),
            inserts=queries.rows_to_insert(map(self._row, new)) if new else None,
            updates=queries.rows_to_update(updates) if updates else None,
            events=log.rows_to_append(self.unit, self._caller, map(log.written, self._changes)),
            metering=metering,
            customers=book,
        )

    def _read(self, references: References) -> None:
        self._ask_for_keys(references.keys)
        self._ask_for_customer_keys(references.customer_keys)
        known = (customer_id for customer_id in self._customer_keys.values() if customer_id is not None)
        named = references.customer_ids.union(known)
        entry_ids = references.ids.union(holder[1] for holder in self._stored_keys.values() if holder is not None)
        if self.unit.contended:
            # Whoever takes turns does it by the customers first.
            seen = queries.list_entries_by_id(self.unit.connection, entry_ids, locked=False)
            owners = {entry.customer_id for entry in seen.values()}
            metric_queries.lock_states(self.unit.connection, named | owners)
        self._ask_for_entries(entry_ids)
        there = [entry for entry in self._records.values() if entry is not None]
        self._ask_for_keys({entry.key for entry in there if entry.key is not None} | self._new_keys(references))
        self._ask_for_customers(named.union(entry.customer_id for entry in there))

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
        found = queries.list_holders(self.unit.connection, wanted)
        for key in wanted:
            self._stored_keys[key] = self._keys[key] = found.get(key)

    def _ask_for_customer_keys(self, keys: Collection[ExternalKey]) -> None:
        wanted = [key for key in keys if key not in self._customer_keys]
        found = customer_queries.list_ids_by_key(self.unit.connection, wanted)
        self._customer_keys |= {key: found.get(key) for key in wanted}

    def _ask_for_entries(self, ids: Iterable[UUID]) -> None:
        wanted = [entry_id for entry_id in ids if entry_id not in self._records]
        found = queries.list_entries_by_id(self.unit.connection, wanted, locked=self.unit.contended)
        for entry_id in wanted:
            self._stored[entry_id] = self._records[entry_id] = found.get(entry_id)

    def _ask_for_customers(self, ids: Iterable[UUID]) -> None:
        wanted = set(ids) - self._asked
        self._asked |= wanted
        found = metric_queries.list_metered(self.unit.connection, wanted)
        self._metered |= found
        self._deletions |= {customer_id: customer.state.deleted_at for customer_id, customer in found.items()}

    def _find_holder(self, key: ExternalKey) -> _Holder | None:
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
        self._digests.pop(record.id, None)
        self._changes.append(change)
        if record.customer_id in self._planned:
            self._made[record.customer_id] = self._planned[record.customer_id]

    def _moved_keys(self) -> dict[ExternalKey, _Holder | None]:
        return {key: holder for key, holder in self._keys.items() if self._stored_keys[key] != holder}

    def _lock_customers(self) -> Iterable[Metered]:
        """Those that somebody has written since they were read, as they are now and stay."""
        there = self._held & self._metered.keys()
        locked = metric_queries.lock_states(self.unit.connection, there)
        if len(locked) != len(there) or any(state.xid > self.unit.xid for state in locked.values()):
            raise Outrun
        changed = {customer_id for customer_id, state in locked.items() if state != self._metered[customer_id].state}
        # Since when one is deleted is told to callers; what matters is whether.
        if any((locked[customer_id].deleted_at is None) != (self._deletions[customer_id] is None) for customer_id in changed):
            raise Outrun
        return metric_queries.list_metered(self.unit.connection, changed).values()

    def _customers_to_make(self) -> tuple[customers.Together | None, list[Metered]]:
        if not self._made:
            return None, []
        book = customers.Together(self.unit, self._caller, customers.References(keys=set(self._made.values())))
        made = []
        for customer_id, key in self._made.items():
            if book.find_id(key) is not None:
                # Made by somebody else since we looked.
                raise Outrun
            made.append(metered(customer_writing.create_known_by(book, key, customer_id=customer_id)))
        book.prepare()
        return book, made

    def _check_versions(self, changed: Collection[EntryRecord]) -> None:
        locked = queries.lock_versions(self.unit.connection, [before.id for before in changed])
        for before in changed:
            customer_id, version, xid = locked.get(before.id, (None, 0, 0))
            if (customer_id, version) != (before.customer_id, before.version) or xid > self.unit.xid:
                raise Outrun

    def _exchange_keys(self) -> None:
        moved = self._moved_keys()
        queries.release_keys(self.unit.connection, [key for key in moved if self._stored_keys[key] is not None])
        held = {key: holder for key, holder in moved.items() if holder is not None}
        if queries.claim_keys(self.unit.connection, held) != len(held):
            raise Outrun

    def _row(self, record: EntryRecord) -> dict[str, Any]:
        row = merging.stored(record)
        row["synced_digest"] = self._digests.get(record.id)
        return row
