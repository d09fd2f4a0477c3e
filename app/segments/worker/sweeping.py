"""Time alone: who is near a threshold that passed since the last evaluation is decided anew, and nobody else is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, and_, exists, false, func, select

from app.changes import queries as log_queries
from app.customers.models import Customer
from app.db import failures
from app.db.base import table_of
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.rules import turning
from app.segments import evaluation, queries
from app.segments.definition import Definition
from app.segments.models import SegmentMember
from app.segments.worker import deciding, following, lanes, trying
from app.segments.worker.claims import claimed
from app.segments.worker.failing import Failing
from app.segments.worker.known import Known, Rules
from app.segments.worker.lanes import Clock
from app.segments.worker.member_queries import Pair

# By a name of its own: a rule may look into the same table.
_KEPT = table_of(SegmentMember).alias("kept")
_CLAIM = 0
_IN_TIME = "SET LOCAL statement_timeout = '20s'"
# More than that turn at once only where a moment or a day has come for all of them: they are a fill.
_MOST = 20_000
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Sweeper:
    database: Database
    known: Known
    clock: Clock
    is_over: Callable[[], bool]
    _failing: Failing = field(default_factory=Failing)

    def sweep(self) -> bool:
        """Evaluate what time has done since the last sweep, unless somebody else is at it; never more at once.

        Who may have turned is sought without a lock, and under no transaction that the feed would have to wait for.
        """
        with claimed(self.database, _CLAIM) as is_ours:
            if is_ours:
                self._sweep()
        return False

    def _sweep(self) -> None:
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            evaluated = lanes.times(db)
            # Before the definitions are read: of one that comes later, its fill looks at everybody, and later than this.
            present = self.clock(db)
            rules = self.known.read(db)
        found, others = self._search(rules, evaluated.first, present)
        if others:
            with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
                queries.raise_wanted(db, others)
        for begin in range(0, len(found), _CHUNK):
            if self.is_over():
                return
            trying.run(self.database, self.known, partial(self._decide, found[begin : begin + _CHUNK]))
        trying.run(self.database, self.known, partial(self._conclude, present))

    def _search(self, rules: Rules, since: datetime | None, present: datetime) -> tuple[list[Pair], set[UUID]]:
        """Who may have turned behind `since` and up to now, and has: customer and segment; and the segments to be filled instead."""
        # Those whose rule means nothing now lose their turn.
        others = set(rules.broken)
        if since is None:
            return [], others | rules.dynamic.keys()
        found: list[Pair] = []
        passed_over = self._failing.now()
        for segment in rules.dynamic.values():
            some = None if segment.id in passed_over else self._search_one(rules, segment, since, present)
            if some is None or len(some) > _MOST:
                others.add(segment.id)
            else:
                found.extend((customer_id, segment.id) for customer_id in some)
        return found, others

    def _search_one(self, rules: Rules, segment: Definition, since: datetime, present: datetime) -> Sequence[UUID] | None:
        """None where it cannot be found out, or not in time: the others have theirs."""
        if present <= since or not rules.meanings.checked(segment.name).uses_time:
            return []
        try:
            with self.database.snapshot() as snapshot:
                snapshot.run(_IN_TIME)
                with snapshot.watched():
                    found = _turned(snapshot.connection, rules, segment, since, present)
        except failures.DATABASE_ERRORS as error:
            if not failures.is_of_statement(error):
                raise
            self._failing.note(segment.id, error)
            return None
        self._failing.forget(segment.id)
        return found

    def _decide(self, some: Sequence[Pair], unit: UnitOfWork) -> None:
        taken = lanes.take_all(unit)
        rules = self.known.read_within(unit)
        deciding.pass_over(unit, rules)
        segments = {one: rules.dynamic[one] for _, one in some if one in rules.dynamic}
        present = following.now(unit, taken, self.clock)
        deciding.decide_some(unit, {customer_id for customer_id, _ in some}, rules, segments, present)

    def _conclude(self, present: datetime, unit: UnitOfWork) -> None:
        """Move the lanes to `present`, as far as their events let them."""
        taken = lanes.take_all(unit)
        until = following.look_at_next(unit, taken, self.known.read_within(unit), self.clock)
        not_shown = timedelta(seconds=log_queries.seconds_behind(unit.connection))
        lanes.note_evaluated(unit, taken, present - not_shown if until is None else min(present, until))


def _turned(db: Connection, rules: Rules, segment: Definition, since: datetime, present: datetime) -> Sequence[UUID]:
    rule = rules.meanings.checked(segment.name)
    is_in = and_(Customer.deleted_at.is_(None), evaluation.condition(segment, rules.meanings, present))
    is_kept = exists().where(_KEPT.c.customer_id == Customer.id, _KEPT.c.segment_id == segment.id)
    differs = func.coalesce(is_in, false()) != is_kept
    found: set[UUID] = set()
    for near in turning.turned(rule, since=since, now=present):
        found.update(db.execute(select(Customer.id).where(near, differs).limit(_MOST + 1)).scalars())
    return sorted(found)
