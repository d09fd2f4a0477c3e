"""Deciding who is in what, for some customers of lanes that are held: what differs from what is kept is written and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from app.changes import log
from app.changes.log import Change
from app.core.caller import command_line
from app.core.errors import Outrun
from app.db import failures
from app.db.unit_of_work import UnitOfWork
from app.segments import evaluation, queries, telling
from app.segments.definition import Definition
from app.segments.evaluation import Membership
from app.segments.worker import member_queries, state_queries
from app.segments.worker.failing import Undecided
from app.segments.worker.known import Rules
from app.segments.worker.member_queries import Pair

CALLER = command_line("kehu worker")

# All members of a static segment are counted there.
_STATIC_LANE = 0


def decide(unit: UnitOfWork, customers: Collection[UUID], rules: Rules, now: datetime) -> None:
    """For every segment. Raises Outrun, and Undecided."""
    if customers:
        found = decide_some(unit, customers, rules, rules.dynamic, now)
        place_some(unit, [one.customer_id for one in found if one.kept & rules.static.keys()], rules.static, now)


def decide_some(
    unit: UnitOfWork, customers: Collection[UUID], rules: Rules, segments: Mapping[UUID, Definition], now: datetime
) -> list[Membership]:
    """For `segments`, all of them dynamic. Raises Undecided."""
    found = _found(unit, customers, rules, segments, now)
    joining: list[Pair] = []
    leaving: list[Pair] = []
    for one in found:
        joining.extend((one.customer_id, segment) for segment in one.segments - one.kept)
        leaving.extend((one.customer_id, segment) for segment in one.kept - one.segments if segment in segments)
    if joining or leaving:
        _write(unit, segments, joining, leaving, now)
    return found


def _found(
    unit: UnitOfWork, customers: Collection[UUID], rules: Rules, segments: Mapping[UUID, Definition], now: datetime
) -> list[Membership]:
    try:
        return evaluation.memberships(unit.connection, customers, list(segments.values()), rules.meanings, now)
    except failures.DATABASE_ERRORS as error:
        if failures.is_of_statement(error):
            raise Undecided(customers, now) from error
        raise


def pass_over(unit: UnitOfWork, rules: Rules) -> None:
    """Of a rule that cannot be decided by at present nothing is said: every customer is to be looked at when it means something again."""
    queries.raise_wanted(unit.connection, rules.broken)


def _write(unit: UnitOfWork, segments: Mapping[UUID, Definition], joining: list[Pair], leaving: list[Pair], now: datetime) -> None:
    db = unit.connection
    there = member_queries.keep_segments(db, {segment for _, segment in (*joining, *leaving)})
    joined = member_queries.insert_members(db, [pair for pair in joining if pair[1] in there], now)
    left = member_queries.delete_members(db, [pair for pair in leaving if pair[1] in there])
    differences: Counter[tuple[UUID, int]] = Counter()
    differences.update((row.segment_id, row.lane) for row in joined)
    differences.subtract((row.segment_id, row.lane) for row in left)
    member_queries.add_to_counts(unit, differences)
    changes = [telling.left(segments[row.segment_id], row.customer_id, row.entered_at) for row in left]
    changes += [telling.joined(segments[row.segment_id], row.customer_id, row.entered_at) for row in joined]
    log.append(unit, CALLER, changes)


def place_some(unit: UnitOfWork, customers: Collection[UUID], segments: Mapping[UUID, Definition], now: datetime) -> None:
    """For `segments`, all of them static: their members leave with their customer, and come back with him. Raises Outrun."""
    if not customers:
        return
    db = unit.connection
    seen = member_queries.list_misplaced(db, customers, segments.keys())
    if not seen:
        return
    # Their writers take turns at the states; what there is to do may be another thing when it is ours.
    there = _take_turns(unit, {row.segment_id for row in seen})
    changes: list[Change] = []
    differences: Counter[tuple[UUID, int]] = Counter()
    misplaced = member_queries.list_misplaced(db, customers, there)
    for row in misplaced:
        segment = segments[row.segment_id]
        if row.entered_at is None:
            changes.append(telling.joined(segment, row.customer_id, now))
        else:
            changes.append(telling.left(segment, row.customer_id, row.entered_at))
        differences[segment.id, _STATIC_LANE] += 1 if row.entered_at is None else -1
    member_queries.place_members(db, [(row.customer_id, row.segment_id) for row in misplaced], now)
    member_queries.add_to_counts(unit, differences)
    log.append(unit, CALLER, changes)


def _take_turns(unit: UnitOfWork, ids: Collection[UUID]) -> set[UUID]:
    there = state_queries.lock_states(unit.connection, ids)
    if any(xid > unit.xid for xid in there.values()):
        raise Outrun
    state_queries.note_writer(unit.connection, there.keys(), unit.xid)
    return set(there)
