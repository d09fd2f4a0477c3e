"""Following the log: whoever an event was about is decided anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.segments.worker import deciding, lanes, trying, window
from app.segments.worker.known import Known, Rules
from app.segments.worker.lanes import Clock, Lane

# While there is much to do, other workers find lanes too.
_SHARE = lanes.COUNT // 2

_place = attrgetter("place")


@dataclass(slots=True)
class Follower:
    """Follows the log for a process, a step at a time."""

    database: Database
    known: Known
    clock: Clock
    _has_more: bool = False

    def follow(self) -> bool:
        """Look at the next events of lanes that nobody else is at; whether there are more."""
        with self.database.lease(time.monotonic() + lanes.STEP_SECONDS) as db:
            if not lanes.is_behind(db):
                return False
        self._has_more = trying.run(self.database, self.known, self._step)
        return self._has_more

    def _step(self, unit: UnitOfWork) -> bool:
        taken = lanes.take_free(unit, count=_SHARE if self._has_more else lanes.COUNT)
        if not taken:
            return False
        return look_at_next(unit, taken, self.known.read_within(unit), self.clock) is not None


def look_at_next(unit: UnitOfWork, taken: Sequence[Lane], rules: Rules, clock: Clock) -> datetime | None:
    """Decide all whom the next events of held lanes were about; None where there are no more events, else up to when all were looked at."""
    deciding.pass_over(unit, rules)
    until = None
    for _, found in groupby(sorted(taken, key=_place), key=_place):
        group = list(found)
        events = window.read(unit.connection, group, rules.static.keys())
        if events is None:
            continue
        # The present is asked for after the events: whoever is written after it is decided again by an event that is not among these.
        deciding.decide(unit, events.customers, rules, now(unit, taken, clock))
        lanes.move(unit, group, events.last)
        if not events.is_whole:
            until = events.time if until is None else min(until, events.time)
    return until


def now(unit: UnitOfWork, taken: Sequence[Lane], clock: Clock) -> datetime:
    """The present, never before the last evaluation: what turned between the two is not looked for again."""
    return max([clock(unit.connection), *(lane.evaluated_at for lane in taken if lane.evaluated_at is not None)])
