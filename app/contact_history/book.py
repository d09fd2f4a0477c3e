"""What a decision about an interaction reads and writes, whether it is made alone or as one of a thousand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.changes.log import Change
from app.contact_history.record import EntryRecord, FoundEntry
from app.core.syncing import ExternalKey
from app.db.unit_of_work import UnitOfWork


class Book(Protocol):
    """Interactions and their customers as one unit of work sees them, its own writes among them.

    `app.contact_history.direct` asks the database at each call, `app.contact_history.bulk.together` has asked for all beforehand.
    Decisions are made over either, so that they are the same by whichever way a change comes in. Every method may raise Outrun.
    """

    @property
    def unit(self) -> UnitOfWork: ...

    def new_id(self) -> UUID:
        """For what is about to be inserted."""

    def find(self, entry_id: UUID, *, beside: UUID | None = None) -> FoundEntry | None:
        """The interaction as a change begins from it, withdrawn or not. `beside`: the customer that it may move to."""

    def find_by_key(self, key: ExternalKey, *, beside: UUID | None = None) -> FoundEntry | None:
        """As `find`, the one that the external id stands for."""

    def find_customer(self, key: ExternalKey) -> UUID | None:
        """The customer that another system knows by `key`, deleted or not."""

    def make_customer(self, key: ExternalKey, *, holder: UUID | None) -> UUID:
        """The id of a new customer known by `key`, of whom nothing else is known. `holder`: whose the interaction is so far."""

    def hold(self, customer_ids: Collection[UUID]) -> Mapping[UUID, datetime | None]:
        """Those that there are of these, others perhaps among them, and since when each is deleted; so they stay up to the end of the
        unit."""

    def insert(self, record: EntryRecord, change: Change, *, own: ExternalKey | None) -> None:
        """Write a new interaction of a held customer, its external id, its event and what it counts for.

        Raises Conflict where the id is taken; where that is `own`, by which nothing was found before, Outrun."""

    def update(self, before: EntryRecord, after: EntryRecord, change: Change) -> None:
        """Write a changed interaction as `insert` does. Of both, whoever counts it or counted it is held where that changes."""
