"""The book of a single write: a statement for each question, since there are few."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.changes.log import Change
from app.contact_history import merging, metering, queries
from app.contact_history.metric_queries import Metered
from app.contact_history.record import STORED, EntryRecord, FoundEntry
from app.core.caller import Caller
from app.core.errors import Conflict, Outrun
from app.core.ids import new_id
from app.core.syncing import ExternalKey
from app.customers import direct as customers
from app.customers import queries as customer_queries
from app.customers import writing as customer_writing
from app.db.unit_of_work import UnitOfWork

# Any: columns of a row.


class Direct:
    """A Book over one unit of work."""

    def __init__(self, unit: UnitOfWork, caller: Caller) -> None:
        self.unit = unit
        self._caller = caller
        self._held: dict[UUID, Metered] = {}

    def new_id(self) -> UUID:
        return new_id()

    def find(self, entry_id: UUID, *, beside: UUID | None = None) -> FoundEntry | None:
        """Read without a lock at first, since most changes meet nobody and many turn out to be none. Where it was not the same any more
        when it was written, the unit is run again, and takes its turn: by the customers, which come before their interactions."""
        return self._in_turn(queries.get_entry_by_id(self.unit.connection, entry_id), beside)

    def find_by_key(self, key: ExternalKey, *, beside: UUID | None = None) -> FoundEntry | None:
        held = queries.get_holder(self.unit.connection, key)
        if held is None:
            return None
        found = queries.get_entry_of_customer(self.unit.connection, *held)
        if found is None or found.entry.key != key:
            # Moved or detached, and perhaps attached elsewhere, between the two statements.
            raise Outrun
        return self._in_turn(found, beside)

    def find_customer(self, key: ExternalKey) -> UUID | None:
        return customer_queries.get_customer_id_by_key(self.unit.connection, key.source, key.external_id)

    def make_customer(self, key: ExternalKey, *, holder: UUID | None) -> UUID:
        if holder is not None:
            # A customer's row comes before the external ids of customers.
            self.hold([holder])
        return customer_writing.create_known_by(customers.Direct(self.unit, self._caller), key).id

    def hold(self, customer_ids: Collection[UUID]) -> Mapping[UUID, datetime | None]:
        wanted = set(customer_ids)
        self._held |= metering.lock(self.unit, wanted - self._held.keys())
        return {customer_id: self._held[customer_id].state.deleted_at for customer_id in wanted if customer_id in self._held}

    def insert(self, record: EntryRecord, change: Change, *, own: ExternalKey | None) -> None:
        if record.key is not None:
            self._claim(record, record.key, own=own)
        queries.insert_entry(self.unit, self._caller, change, values=_row(record))
        self._meter(None, record)

    def update(self, before: EntryRecord, after: EntryRecord, change: Change) -> None:
        write = queries.update_entry if after.customer_id == before.customer_id else queries.move_entry
        if not write(self.unit, self._caller, change, before, values=_row(after)):
            # Somebody else wrote it since we read it, or a later transaction than ours did.
            raise Outrun
        self._exchange_keys(before, after)
        self._meter(before, after)

    def _in_turn(self, found: FoundEntry | None, beside: UUID | None) -> FoundEntry | None:
        if found is None or not self.unit.contended:
            return found
        customer_id = found.entry.customer_id
        self.hold([customer_id, *([beside] if beside is not None else [])])
        found = queries.get_entry_of_customer(self.unit.connection, customer_id, found.entry.id)
        if found is None:
            # Moved between the two statements.
            raise Outrun
        return found

    def _meter(self, before: EntryRecord | None, after: EntryRecord) -> None:
        for customer_id, (gone, come) in metering.net([(before, after)]).items():
            # What is held is as it was before this.
            metering.change(self.unit, self._caller, self._held.pop(customer_id), gone=gone, come=come)

    def _exchange_keys(self, before: EntryRecord, after: EntryRecord) -> None:
        """After the row: who waits for an id that is being claimed holds the row that it is for, always in this order."""
        db = self.unit.connection
        if before.key == after.key:
            if after.key is not None and after.customer_id != before.customer_id:
                queries.move_key(db, after.key, customer_id=after.customer_id, entry_id=after.id)
            return
        if before.key is not None:
            queries.release_key(db, before.key, entry_id=before.id)
        if after.key is not None:
            self._claim(after, after.key)

    def _claim(self, record: EntryRecord, key: ExternalKey, *, own: ExternalKey | None = None) -> None:
        db = self.unit.connection
        if queries.claim_key(db, key, customer_id=record.customer_id, entry_id=record.id):
            return
        holder = queries.get_holder(db, key)
        if key == own or holder is None:
            # Made since we looked, or released between our two statements: the next try finds it as it is.
            raise Outrun
        raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=holder[1])


def _row(record: EntryRecord) -> dict[str, Any]:
    return dict(zip(STORED, merging.stored(record), strict=True))
