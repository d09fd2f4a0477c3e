"""Customers as a set of writes sees them: read beforehand, made where they are unknown, and locked when all is decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from app.contact_history import metric_queries
from app.contact_history.bulk.metering import metered
from app.contact_history.metric_queries import Metered
from app.core.caller import Caller
from app.core.errors import Outrun
from app.core.ids import new_id
from app.core.syncing import ExternalKey
from app.customers import writing
from app.customers.bulk import queries, together
from app.db.unit_of_work import UnitOfWork


class Owners:
    """Whose interactions are written. Customers that were not foreseen are asked for one by one."""

    def __init__(self, unit: UnitOfWork, caller: Caller) -> None:
        self._unit = unit
        self._caller = caller
        self._by_key: dict[ExternalKey, UUID | None] = {}
        # Those that there are, as they were read; and since when each of these, and of those to be made, is deleted.
        self._metered: dict[UUID, Metered] = {}
        self._deletions: dict[UUID, datetime | None] = {}
        self._unknown: set[UUID] = set()
        # Decisions rest on what these are.
        self._held: set[UUID] = set()
        # To be made once an interaction is theirs, both ways; and those of whom one is.
        self._planned: dict[UUID, ExternalKey] = {}
        self._planned_ids: dict[ExternalKey, UUID] = {}
        self._made: dict[UUID, ExternalKey] = {}

    @property
    def planned_keys(self) -> Collection[ExternalKey]:
        """Those by which nobody was found."""
        return self._planned_ids.keys()

    @property
    def made_keys(self) -> Collection[ExternalKey]:
        return self._made.values()

    def ask_by_key(self, keys: Iterable[ExternalKey]) -> set[UUID]:
        """Look up whom the external ids stand for; the ids of those who were found."""
        wanted = [key for key in keys if key not in self._by_key]
        if not wanted:
            return set()
        found = queries.list_ids_by_key(self._unit.connection, wanted)
        self._by_key |= {key: found.get(key) for key in wanted}
        return set(found.values())

    def ask(self, customer_ids: Iterable[UUID]) -> None:
        """Read them, unless they are known."""
        # As sets, which keep the hashes of what is in them: an id works out its own anew, in Python, each time.
        wanted = set(customer_ids).difference(self._deletions, self._unknown)
        if not wanted:
            return
        found = metric_queries.list_metered(self._unit.connection, wanted)
        self._metered |= found
        self._deletions |= dict.fromkeys(found)
        self._deletions |= {customer.id: at for customer in found.values() if (at := customer.state.deleted_at) is not None}
        if len(found) < len(wanted):
            self._unknown |= wanted - found.keys()

    def find(self, key: ExternalKey) -> UUID | None:
        if key not in self._by_key:
            self.ask_by_key([key])
        return self._by_key[key]

    def plan(self, key: ExternalKey) -> UUID:
        """The id of a customer that is made and found once an interaction is written for it: one that is refused leaves nothing behind."""
        customer_id = self._planned_ids.get(key)
        if customer_id is None:
            customer_id = self._planned_ids[key] = new_id()
            self._planned[customer_id] = key
            self._deletions[customer_id] = None
        return customer_id

    def deleted_at(self, customer_id: UUID) -> datetime | None:
        """None also where there is no such customer."""
        self.ask([customer_id])
        return self._deletions.get(customer_id)

    def hold(self, customer_ids: Collection[UUID]) -> Mapping[UUID, datetime | None]:
        """Since when each is deleted, of these as far as there are any, and of others."""
        wanted = set(customer_ids)
        self.ask(wanted)
        self._held |= wanted
        return self._deletions

    def note_written(self, customer_id: UUID) -> None:
        """An interaction is written for it."""
        key = self._planned.get(customer_id) if self._planned else None
        if key is not None:
            self._made[customer_id] = key
            self._by_key[key] = customer_id

    def make(self) -> tuple[together.Together | None, list[Metered]]:
        """The customers of whom an interaction is, in a book that is still to be written, and as they will be."""
        if not self._made:
            return None, []
        book = together.Together(self._unit, self._caller, together.References(keys=set(self._made.values())), {})
        made = []
        for customer_id, key in self._made.items():
            if book.find_id(key) is not None:
                # Made by somebody else since we looked.
                raise Outrun
            made.append(metered(writing.create_known_by(book, key, customer_id=customer_id)))
        return book, made

    def as_read(self) -> Iterable[Metered]:
        return self._metered.values()

    def lock(self) -> Iterable[Metered]:
        """Those that somebody has written since they were read, as they are now and stay. Raises Outrun where that undoes a decision."""
        there = self._held.difference(self._planned, self._unknown)
        locked = metric_queries.lock_set(self._unit, there)
        # They were read within this unit, so what was written before it began has been seen, and only the others can differ.
        written = locked.written_since
        if locked.number != len(there) or any(state.xid > self._unit.xid for state in written.values()):
            raise Outrun
        changed = [(customer_id, state) for customer_id, state in written.items() if state != self._metered[customer_id].state]
        # Since when one is deleted is told to callers; what matters is whether.
        if any((state.deleted_at is None) != (self._deletions[customer_id] is None) for customer_id, state in changed):
            raise Outrun
        return metric_queries.list_metered(self._unit.connection, [customer_id for customer_id, _ in changed]).values()
