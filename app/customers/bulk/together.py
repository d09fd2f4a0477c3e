"""The book of many writes: everything they refer to is read beforehand, and what they decide is written set by set: new rows, which are in
nobody's way, while the next are decided, and all else at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app.attributes import held
from app.attributes.definition import Definitions
from app.changes import log
from app.changes.log import Change
from app.core.caller import Caller
from app.core.errors import Conflict, Outrun
from app.core.ids import ids_by_the_hundred
from app.core.syncing import ExternalKey
from app.customers import merging
from app.customers import queries as single
from app.customers.book import Identifier
from app.customers.bulk import queries
from app.customers.matching import identifiers_of
from app.customers.record import CustomerRecord
from app.db import copying
from app.db.unit_of_work import UnitOfWork


@dataclass(slots=True)
class References:
    """What a set of writes refers to."""

    keys: set[ExternalKey] = field(default_factory=set)
    ids: set[UUID] = field(default_factory=set)
    identifiers: set[Identifier] = field(default_factory=set)


class Footprint(NamedTuple):
    """What a set of writes has changed, so that another, decided before that was there, knows whether it has to be decided again.

    Of numbers and plain tuples, which go from process to process in a twentieth of the time of ids and named ones, and are equal to these.
    """

    ids: frozenset[int]
    keys: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Told:
    """Rows as they are sent, those that are there by id, and events."""

    changed: list[UUID]
    updates: str | None
    events: Iterable[bytes]


class Together:
    """A Book in memory. What was not foreseen in its references is asked for one by one. Before `write` nothing is written that
    anybody could meet."""

    def __init__(self, unit: UnitOfWork, caller: Caller, references: References, looked: Mapping[ExternalKey, UUID | None]) -> None:
        """`looked`: whom external ids stood for a moment ago; None: nobody. Raises Outrun where that is seen to be so no more."""
        self.unit = unit
        self._caller = caller
        self._ids = ids_by_the_hundred()
        db = unit.connection
        # Before anything is read: what those did who had the turn before us is seen by every statement after it.
        single.lock_identifiers(db, references.identifiers)
        if unit.contended or references.identifiers:
            looked = {}
        self._stored_keys: dict[ExternalKey, UUID | None] = {key: looked.get(key) for key in references.keys}
        self._stored_keys |= queries.list_ids_by_key(db, references.keys - looked.keys())
        matching = single.list_customers_matching(db, list(references.identifiers))
        wanted = references.ids | {holder for holder in self._stored_keys.values() if holder is not None}
        found = queries.list_customers_by_id(db, wanted | {record.id for _, record in matching}, locked=unit.contended)
        self._stored: dict[UUID, CustomerRecord | None] = {**dict.fromkeys(wanted), **found}
        self._check_keys(found.values())
        self._keys = dict(self._stored_keys)
        self._records = dict(self._stored)
        # Who has had an identifier at some time in this unit; who has it now is looked up in the record.
        self._known_by: dict[Identifier, set[UUID]] = {one: set() for one in references.identifiers}
        for identifier, record in matching:
            self._known_by[identifier].add(record.id)
        self._changes: list[Change] = []
        self._written: dict[UUID, CustomerRecord] = {}
        # Those who are to be inserted still.
        self._new: list[UUID] = []
        # Of a customer that one line of an import alone has made what it is.
        self._digests: dict[UUID, bytes] = {}
        self._prepared: _Told | None = None

    def new_id(self) -> UUID:
        return next(self._ids)

    @cached_property
    def definitions(self) -> Definitions:
        return held.definitions(self.unit)

    def find(self, customer_id: UUID) -> CustomerRecord | None:
        if customer_id not in self._records:
            found = queries.list_customers_by_id(self.unit.connection, [customer_id], locked=self.unit.contended).get(customer_id)
            if found is not None:
                self._check_keys([found])
            self._stored[customer_id] = self._records[customer_id] = found
        return self._records[customer_id]

    def take_turns(self, customer_id: UUID, identify: Callable[[CustomerRecord], Sequence[Identifier]]) -> None:
        """They were taken for all that was foreseen, before anything was read."""

    def find_id(self, key: ExternalKey) -> UUID | None:
        if key not in self._keys:
            self._stored_keys[key] = self._keys[key] = queries.list_ids_by_key(self.unit.connection, [key]).get(key)
        return self._keys[key]

    def is_living(self, customer_id: UUID) -> bool:
        record = self.find(customer_id)
        return record is not None and record.deleted_at is None

    def find_matching(self, identifiers: Sequence[Identifier]) -> Sequence[tuple[Identifier, CustomerRecord]]:
        self._ask_for([identifier for identifier in identifiers if identifier not in self._known_by])
        found = []
        for identifier in identifiers:
            for customer_id in sorted(self._known_by[identifier]):
                record = self.find(customer_id)
                if record is not None and record.deleted_at is None and identifier in identifiers_of(record):
                    found.append((identifier, record))
        return found

    def insert(self, record: CustomerRecord, change: Change, *, own: ExternalKey | None) -> None:
        self._hold_keys(record, {})
        # Of all of them the digest is noted by now, which comes after this.
        if len(self._new) >= copying.ROWS:
            self._insert()
        self._put(record, change)
        self._new.append(record.id)

    def update(self, before: CustomerRecord, after: CustomerRecord, change: Change, *, own: ExternalKey | None) -> None:
        if before.external_ids != after.external_ids:
            self._hold_keys(after, before.external_ids)
        self._digests.pop(after.id, None)
        self._put(after, change)

    def is_written(self, customer_id: UUID) -> bool:
        """Whether this unit has changed the customer already."""
        return customer_id in self._written

    def note_digest(self, customer_id: UUID, digest: bytes) -> None:
        """The customer is now as the line with `digest` alone makes it."""
        self._digests[customer_id] = digest

    def has_met(self, other: Footprint) -> bool:
        """Whether anything that this book has looked at is of `other`'s making. Of a book that looks for identifiers it is not asked."""
        return not (other.ids.isdisjoint(one.int for one in self._stored) and other.keys.isdisjoint(self._stored_keys))

    def footprint(self) -> Footprint | None:
        """What the decisions made so far change; None: nothing."""
        if not self._changes:
            return None
        return Footprint(
            frozenset(customer_id.int for customer_id in self._written),
            frozenset((source, external_id) for source, external_id in self._moved_keys()),
        )

    def prepare(self) -> None:
        """The part of writing that needs no turn: new rows, which are in nobody's way, and what `write` sends. Nothing may be decided
        afterwards."""
        told = self._told()
        self._prepared = replace(told, events=list(told.events))
        self.unit.end_copy()

    def write(self) -> None:
        """Write all that was decided. Raises Outrun where somebody else wrote one of the rows or keys since they were read."""
        if not self._changes:
            return
        # What was not prepared is made while the database is already writing what was made before.
        told = self._prepared or self._told()
        self._check_versions(told.changed)
        # Rows before keys, as everywhere.
        self._exchange_keys()
        if told.updates is not None:
            queries.update_customers(self.unit.connection, told.updates)
        log.append_rows(self.unit, told.events)

    def _told(self) -> _Told:
        self._insert()
        changed = sorted(customer_id for customer_id, record in self._written.items() if self._stored[customer_id] is not record)
        return _Told(
            changed=changed,
            updates=queries.rows_to_update(self._row(self._written[customer_id]) for customer_id in changed) if changed else None,
            events=log.rows_to_append(self._caller, log.written(self._changes)),
        )

    def _insert(self) -> None:
        """Write the new ones as they are by now; what becomes of one of them afterwards is a change like any other."""
        if self._new:
            made = [self._written[customer_id] for customer_id in self._new]
            queries.insert_customers(self.unit, map(self._row, made))
            self._stored |= zip(self._new, made, strict=True)
            self._new = []

    def _check_keys(self, found: Iterable[CustomerRecord]) -> None:
        """Raises Outrun where one of them has an external id that was seen to stand for somebody else, or nobody, just before: it was
        attached between the two statements."""
        for record in found:
            for source, text in record.external_ids.items():
                if self._stored_keys.get(ExternalKey(source, text), record.id) != record.id:
                    raise Outrun

    def _ask_for(self, identifiers: Sequence[Identifier]) -> None:
        """Of what was not foreseen, as a phone that only its customer's country tells how to read."""
        if not identifiers:
            return
        # Out of the order in which all others are locked: two such units may wait for each other, and one of them is run again.
        single.lock_identifiers(self.unit.connection, identifiers)
        for identifier in identifiers:
            self._known_by[identifier] = {record.id for record in self._written.values() if identifier in identifiers_of(record)}
        for identifier, record in single.list_customers_matching(self.unit.connection, identifiers):
            stored = self._stored.get(record.id)
            if stored is not None and stored.version != record.version:
                raise Outrun
            self._known_by[identifier].add(record.id)

    def _hold_keys(self, record: CustomerRecord, before: dict[str, str]) -> None:
        gained = [ExternalKey(*one) for one in sorted(record.external_ids.items() - before.items())]
        for key in gained:
            holder = self.find_id(key)
            if holder is not None and holder != record.id:
                raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=holder)
        for source, text in before.items():
            if record.external_ids.get(source) != text:
                self.find_id(ExternalKey(source, text))
                self._keys[ExternalKey(source, text)] = None
        for key in gained:
            self._keys[key] = record.id

    def _put(self, record: CustomerRecord, change: Change) -> None:
        self._records[record.id] = self._written[record.id] = record
        self._changes.append(change)
        if not self._known_by:
            return
        for identifier in identifiers_of(record):
            if identifier in self._known_by:
                self._known_by[identifier].add(record.id)

    def _check_versions(self, ids: Iterable[UUID]) -> None:
        locked = queries.lock_versions(self.unit.connection, list(ids))
        for customer_id in ids:
            stored = self._stored[customer_id]
            version, xid = locked.get(customer_id, (0, 0))
            if stored is None or stored.version != version or xid > self.unit.xid:
                raise Outrun

    def _moved_keys(self) -> dict[ExternalKey, UUID | None]:
        return {key: holder for key, holder in self._keys.items() if self._stored_keys[key] != holder}

    def _exchange_keys(self) -> None:
        moved = self._moved_keys()
        queries.release_keys(self.unit.connection, [key for key in moved if self._stored_keys[key] is not None])
        held = {key: holder for key, holder in moved.items() if holder is not None}
        queries.claim_keys(self.unit, held)

    def _row(self, record: CustomerRecord) -> Sequence[Any]:
        return merging.stored(record, digest=self._digests.get(record.id))
