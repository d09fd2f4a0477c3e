"""What a decision about a customer reads and writes, whether it is made alone or as one of a thousand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from app.attributes.definition import Definitions
from app.changes.log import Change
from app.core.syncing import ExternalKey
from app.customers.record import CustomerRecord
from app.db.unit_of_work import UnitOfWork


# A tuple for the same reason as `ExternalKey`.
class Identifier(NamedTuple):
    """Something by which a person may be known beside an external id: `by` is `email` or `phone`, `value` the form that is compared."""

    by: str
    value: str


class Book(Protocol):
    """The customers as one unit of work sees them, its own writes among them.

    `app.customers.direct` asks the database at each call, `app.customers.bulk.together` has asked for all beforehand. Decisions are made
    over either, so that they are the same by whichever way a change comes in. Every method may raise Outrun.
    """

    @property
    def unit(self) -> UnitOfWork: ...

    def new_id(self) -> UUID:
        """For what is about to be inserted."""

    @property
    def definitions(self) -> Definitions:
        """What attributes are checked against: the same for the whole unit."""

    def find(self, customer_id: UUID) -> CustomerRecord | None:
        """The customer as a change begins from it, deleted or not."""

    def take_turns(self, customer_id: UUID, identify: Callable[[CustomerRecord], Sequence[Identifier]]) -> None:
        """To be called before `find` by whoever will match by what `identify` makes of the customer: whoever locks both an identifier and a
        row locks the identifier first, or two of them would wait for each other."""

    def find_id(self, key: ExternalKey) -> UUID | None:
        """The customer that the external id stands for, deleted or not."""

    def is_living(self, customer_id: UUID) -> bool:
        """Whether there is such a customer, not deleted."""

    def find_matching(self, identifiers: Sequence[Identifier]) -> Sequence[tuple[Identifier, CustomerRecord]]:
        """Who has each of them, deleted ones left out, by id within each. Nobody else can match by the same until the unit ends."""

    def insert(self, record: CustomerRecord, change: Change, *, own: ExternalKey | None) -> None:
        """Write a new customer, its external ids and its event. Raises Conflict where an id is taken; where that is `own`, somebody made
        that customer since we looked, which is Outrun."""

    def update(self, before: CustomerRecord, after: CustomerRecord, change: Change, *, own: ExternalKey | None) -> None:
        """Write a changed customer, the external ids that it gained and lost, and its event. Raises as `insert` does."""
