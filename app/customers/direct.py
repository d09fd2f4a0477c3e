"""The book of a single write: a statement for each question, since there are few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from app.attributes import held
from app.attributes.definition import Definitions
from app.changes.log import Change
from app.core.caller import Caller
from app.core.errors import Outrun
from app.core.ids import new_id
from app.core.syncing import ExternalKey
from app.customers import keys, merging, queries
from app.customers.book import Identifier
from app.customers.record import STORED, CustomerRecord
from app.db.unit_of_work import UnitOfWork

# Any: column values.


class Direct:
    """A Book over one unit of work."""

    def __init__(self, unit: UnitOfWork, caller: Caller) -> None:
        self.unit = unit
        self._caller = caller

    def new_id(self) -> UUID:
        return new_id()

    @cached_property
    def definitions(self) -> Definitions:
        return held.definitions(self.unit)

    def find(self, customer_id: UUID) -> CustomerRecord | None:
        """Read without a lock at first, since most changes meet nobody and many turn out to be none: those write nothing at all then. That
        the row is still the same is decided by the UPDATE; where it was not, the unit is run again, and takes its turn by a lock.
        """
        if self.unit.contended:
            return queries.lock_customer_by_id(self.unit.connection, customer_id)
        return queries.see_customer_by_id(self.unit, customer_id)

    def take_turns(self, customer_id: UUID, identify: Callable[[CustomerRecord], Sequence[Identifier]]) -> None:
        # Only a repeat locks rows as it reads them.
        seen = queries.get_customer_by_id(self.unit.connection, customer_id) if self.unit.contended else None
        if seen is not None:
            queries.lock_identifiers(self.unit.connection, identify(seen))

    def find_id(self, key: ExternalKey) -> UUID | None:
        return queries.get_customer_id_by_key(self.unit.looking, key.source, key.external_id)

    def is_living(self, customer_id: UUID) -> bool:
        return queries.has_customer(self.unit.looking, customer_id)

    def find_matching(self, identifiers: Sequence[Identifier]) -> Sequence[tuple[Identifier, CustomerRecord]]:
        # The lock first: what the one before us wrote is seen by the statements after it.
        queries.lock_identifiers(self.unit.connection, identifiers)
        return queries.list_customers_matching(self.unit.connection, identifiers)

    def insert(self, record: CustomerRecord, change: Change, *, own: ExternalKey | None) -> None:
        keys.claim(self.unit, record.id, record.external_ids, own=own)
        queries.insert_customer(self.unit, self._caller, change, values=_row(record))

    def update(self, before: CustomerRecord, after: CustomerRecord, change: Change, *, own: ExternalKey | None) -> None:
        values = _row(after)
        if not queries.update_customer(self.unit, self._caller, change, before, values=values):
            # Somebody else wrote it since we read it, or a later transaction than ours did.
            raise Outrun
        # After the row: who waits for an id that is being claimed holds the row that it is for, always in this order.
        if before.external_ids != after.external_ids:
            keys.exchange(self.unit, before.id, before=before.external_ids, after=after.external_ids, own=own)


def _row(record: CustomerRecord) -> dict[str, Any]:
    return dict(zip(STORED, merging.stored(record), strict=True))
