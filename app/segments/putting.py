"""Members of static segments: put in and taken out, each told in the same transaction.

Who changes the members of a segment holds its state's row, and repeats with a new transaction where a later one was there before (see
`app.db.unit_of_work`): so the events of a membership are in its order. The worker does the same where a member is deleted or restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.changes.log import Change, append
from app.core.bulk import Result
from app.core.caller import Caller
from app.core.errors import Conflict, Gone, KehuError, NotFound, Outrun, PreconditionFailed
from app.core.preconditions import Precondition
from app.core.syncing import Done, ExternalKey, Outcome
from app.customers.bulk import queries as customer_queries
from app.db.unit_of_work import UnitOfWork
from app.segments import member_queries, queries, telling
from app.segments.definition import STATIC, Definition

# Memberships have no version.
_NO_VERSION = 0


@dataclass(frozen=True, slots=True)
class Item:
    """Put the customer in, or take it out."""

    customer: UUID | ExternalKey
    is_in: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A customer in a static segment, and since when."""

    segment_id: UUID
    customer_id: UUID
    entered_at: datetime


def put(unit: UnitOfWork, caller: Caller, *, segment_id: UUID, customer_id: UUID, precondition: Precondition) -> tuple[Member, bool]:
    """The member, and whether it is new. Raises NotFound, Gone, PreconditionFailed, and Conflict where a rule decides who is in it."""
    taken = _take(unit, segment_id, {customer_id})
    is_new = taken.entered.get(customer_id) is None
    if is_new:
        precondition.check_absent()
    elif precondition.absent:
        raise PreconditionFailed(version=None)
    taken.put(customer_id)
    taken.write(caller)
    entered_at = taken.entered[customer_id]
    assert entered_at is not None
    return Member(segment_id, customer_id, entered_at), is_new


def remove(unit: UnitOfWork, caller: Caller, *, segment_id: UUID, customer_id: UUID) -> None:
    """No change where it is no member. Raises NotFound where there is no such segment, and Conflict where a rule decides who is in it."""
    taken = _take(unit, segment_id, {customer_id})
    taken.remove(customer_id)
    taken.write(caller)


def apply(unit: UnitOfWork, caller: Caller, *, segment_id: UUID, items: Sequence[Item | KehuError]) -> list[Result]:
    """What became of each item, in order; one that is a KehuError already stays one. Raises NotFound and Conflict as `remove` does."""
    keys = {item.customer for item in items if isinstance(item, Item) and isinstance(item.customer, ExternalKey)}
    ids = customer_queries.list_ids_by_key(unit.connection, keys) if keys else {}
    meant = [_meant(item, ids) for item in items]
    taken = _take(unit, segment_id, {one for one in meant if isinstance(one, UUID)})
    results = [one if isinstance(one, KehuError) else taken.decide(one, item) for one, item in zip(meant, items, strict=True)]
    taken.write(caller)
    return results


def _meant(item: Item | KehuError, ids: dict[ExternalKey, UUID]) -> UUID | KehuError:
    if isinstance(item, KehuError):
        return item
    if isinstance(item.customer, UUID):
        return item.customer
    return ids.get(item.customer) or NotFound()


@dataclass(slots=True)
class _Taken:
    """A static segment whose members nobody else changes until the unit ends, and some customers."""

    unit: UnitOfWork
    definition: Definition
    # When each was deleted, None of the living; by id.
    deleted: dict[UUID, datetime | None]
    # Members; None: hidden, since the worker saw the customer deleted, and told to have left.
    entered: dict[UUID, datetime | None]
    before: dict[UUID, datetime | None]
    changes: list[Change] = field(default_factory=list)

    def decide(self, customer_id: UUID, item: Item | KehuError) -> Result:
        assert isinstance(item, Item)
        try:
            outcome = self.put(customer_id) if item.is_in else self.remove(customer_id)
        except KehuError as error:
            return error.kept()
        return Done(outcome, customer_id, _NO_VERSION, is_gone=not item.is_in)

    def put(self, customer_id: UUID) -> Outcome:
        if customer_id not in self.deleted:
            raise NotFound
        deleted_at = self.deleted[customer_id]
        if deleted_at is not None:
            raise Gone(existing_id=customer_id, deleted_at=deleted_at)
        if self.entered.get(customer_id) is not None:
            return Outcome.UNCHANGED
        self.entered[customer_id] = self.unit.now
        self.changes.append(telling.joined(self.definition, customer_id, self.unit.now))
        return Outcome.CREATED

    def remove(self, customer_id: UUID) -> Outcome:
        if customer_id not in self.entered:
            return Outcome.UNCHANGED
        entered_at = self.entered.pop(customer_id)
        if entered_at is not None:
            self.changes.append(telling.left(self.definition, customer_id, entered_at))
        return Outcome.DELETED

    def write(self, caller: Caller) -> None:
        if self.entered == self.before:
            return
        db, segment_id = self.unit.connection, self.definition.id
        member_queries.note_writer(db, segment_id, self.unit.xid)
        new = {one: at for one, at in self.entered.items() if at is not None and self.before.get(one) != at}
        member_queries.upsert_members(db, segment_id, new)
        member_queries.delete_members(db, segment_id, self.before.keys() - self.entered.keys())
        member_queries.add_to_count(db, segment_id, _seen(self.entered.values()) - _seen(self.before.values()))
        append(self.unit, caller, self.changes)


def _take(unit: UnitOfWork, segment_id: UUID, customers: set[UUID]) -> _Taken:
    """Raises NotFound, Conflict, Outrun."""
    definition = queries.get_definition_by_id(unit.connection, segment_id)
    if definition is None:
        raise NotFound
    if definition.kind != STATIC:
        raise Conflict("segment_not_static", name=definition.name)
    writer = member_queries.lock_state(unit.connection, segment_id)
    if writer is None:
        raise NotFound
    # The feed tells of the segment, too, before it tells of its members.
    if max(writer, definition.xid) > unit.xid:
        raise Outrun
    deleted = member_queries.list_deleted_at(unit.connection, customers)
    entered = member_queries.list_entered_at(unit.connection, segment_id, customers)
    return _Taken(unit, definition, deleted, entered, dict(entered))


def _seen(entered: Iterable[datetime | None]) -> int:
    return sum(at is not None for at in entered)
