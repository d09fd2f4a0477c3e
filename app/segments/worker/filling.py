"""Filling: everybody is held against a rule that is new, in one moment's snapshot and without a lock, and decided anew where he differs.

A static segment is filled after a restore only, of which its hidden members may not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Select, exists, not_, or_, select

from app.customers.models import Customer
from app.db import failures, unit_of_work
from app.db.base import table_of
from app.db.engines import Database, Snapshot
from app.db.unit_of_work import UnitOfWork
from app.rules import compiling, tree
from app.rules.catalogue import Checked
from app.segments import evaluation
from app.segments.models import SegmentMember
from app.segments.worker import deciding, following, lanes, state_queries
from app.segments.worker.claims import claimed, key_of
from app.segments.worker.failing import Failing, Undecided
from app.segments.worker.known import Known, Rules
from app.segments.worker.lanes import Clock

# By a name of its own: a rule may look into the same table.
_KEPT = table_of(SegmentMember).alias("kept")


@dataclass(frozen=True, slots=True)
class Filler:
    database: Database
    known: Known
    clock: Clock
    # Waits so many seconds; whether the work is over.
    pause: Callable[[float], bool]
    _failing: Failing = field(default_factory=Failing)

    def fill(self) -> bool:
        """Fill one segment that nobody else fills; whether there may be more."""
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            unfilled = state_queries.list_unfilled(db)
            passed_over = {*self.known.read(db).broken, *self._failing.now()} if unfilled else ()
        for segment_id in unfilled:
            if segment_id not in passed_over:
                with claimed(self.database, key_of(segment_id)) as is_ours:
                    if is_ours and self._try(segment_id):
                        return True
        return False

    def _try(self, segment_id: UUID) -> bool:
        """Whether it is filled; one that fails is left to later, and the others have their turn."""
        try:
            is_filled = self._fill(segment_id)
        except (Undecided, *failures.DATABASE_ERRORS) as error:
            if not isinstance(error, Undecided) and not failures.is_of_statement(error):
                raise
            self._failing.note(segment_id, error)
            return False
        if is_filled:
            self._failing.forget(segment_id)
        return is_filled

    def _fill(self, segment_id: UUID) -> bool:
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            # Read again, now that nobody else fills it.
            wanted = state_queries.list_unfilled(db).get(segment_id)
            if wanted is None:
                return False
            lanes.wait_for_all(db)
        with self.database.snapshot() as snapshot:
            statements = self._differences(snapshot, segment_id)
            if not statements:
                return False
            for customers in _blocks(snapshot, statements):
                began = time.monotonic()
                is_sound = unit_of_work.run(self.database, began + lanes.STEP_SECONDS, partial(self._decide, segment_id, customers))
                # As long as it took, so that events have their turn too.
                if not is_sound or self.pause(time.monotonic() - began):
                    return False
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            state_queries.note_filled(db, segment_id, wanted)
        return True

    def _differences(self, snapshot: Snapshot, segment_id: UUID) -> Sequence[Select[UUID]]:
        """Who has to be decided anew; nothing where there is no rule to say so."""
        # For all rows, not for the first of them soonest; and by hashes, since a nested loop would for every customer pass over all the
        # members in the index whom the fill has put there since the snapshot (30 s of 45 for 40,000 members).
        snapshot.run("SET LOCAL cursor_tuple_fraction = 1; SET LOCAL enable_nestloop = off")
        with snapshot.watched():
            rules = self.known.read(snapshot.connection)
            present = self.clock(snapshot.connection)
            last = lanes.times(snapshot.connection).last
        if segment_id in rules.static:
            return [_misplaced(segment_id)]
        if segment_id in rules.dynamic:
            return [*_differences(rules, segment_id, present if last is None else max(present, last))]
        return []

    def _decide(self, segment_id: UUID, customers: Sequence[UUID], unit: UnitOfWork) -> bool:
        """Whether there is a rule to decide by."""
        taken = lanes.take_all(unit)
        rules = self.known.read_within(unit)
        present = following.now(unit, taken, self.clock)
        if segment_id in rules.dynamic:
            deciding.decide_some(unit, customers, rules, {segment_id: rules.dynamic[segment_id]}, present)
        elif segment_id in rules.static:
            deciding.place_some(unit, customers, {segment_id: rules.static[segment_id]}, present)
        else:
            return False
        return True


def _blocks(snapshot: Snapshot, statements: Sequence[Select[UUID]]) -> Iterator[Sequence[UUID]]:
    for statement in statements:
        for rows in snapshot.blocks(statement):
            yield [row.id for row in rows]


def _misplaced(segment_id: UUID) -> Select[UUID]:
    """Members of a static segment who are hidden and live, or the other way round."""
    members = select(Customer.id).join(_KEPT, _KEPT.c.customer_id == Customer.id).where(_KEPT.c.segment_id == segment_id)
    return members.where(_KEPT.c.entered_at.is_(None) == Customer.deleted_at.is_(None))


def _differences(rules: Rules, segment_id: UUID, present: datetime) -> Iterator[Select[UUID]]:
    """Whom the rule takes and who is no member; then members whom it does not take. Each as the planner finds them best."""
    segment = rules.dynamic[segment_id]
    rule = rules.meanings.checked(segment.name)
    is_member = exists().where(_KEPT.c.customer_id == Customer.id, _KEPT.c.segment_id == segment_id)
    is_taken = evaluation.condition(segment, rules.meanings, present)
    yield select(Customer.id).where(Customer.deleted_at.is_(None), is_taken, not_(is_member))
    is_not_taken = compiling.compile_rule(Checked(tree.Not(0, rule.rule), rule.catalogue), now=present)
    members = select(Customer.id).join(_KEPT, _KEPT.c.customer_id == Customer.id).where(_KEPT.c.segment_id == segment_id)
    yield members.where(or_(Customer.deleted_at.is_not(None), is_not_taken))
