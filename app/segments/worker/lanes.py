"""Lanes: how far the log was followed for each part of all customers, and who decides about them now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, SmallInteger, any_, bindparam, func, select, text, update

from app.core.errors import Outrun
from app.db.base import table_of
from app.db.columns import Timestamp, Xid8
from app.db.unit_of_work import UnitOfWork
from app.segments.models import SegmentLane

# Any: rows.

# As the migration has it that makes the rows.
COUNT = 4
# What the worker does in one lease of a connection takes no longer, or is given up.
STEP_SECONDS = 60.0
# The lane of a customer, in SQL. PostgreSQL's own hash of a uuid, the same on every machine and in every version.
OF_CUSTOMER = f"(uuid_hash(customer_id) & {COUNT - 1})"

# The present; tests have another one.
Clock = Callable[[Connection], datetime]

_LANES = table_of(SegmentLane)
_LOCK = select(_LANES.c.lane, _LANES.c.xid, _LANES.c.event_id, _LANES.c.evaluated_at, _LANES.c.fence)
# The ones that are furthest behind first, of those that nobody else is at.
_TAKE_FREE = _LOCK.order_by(_LANES.c.xid, _LANES.c.event_id, _LANES.c.lane).limit(bindparam("count")).with_for_update(skip_locked=True)
_TAKE_ALL = _LOCK.order_by(_LANES.c.lane).with_for_update()
_WAIT = select(_LANES.c.lane).where(_LANES.c.lane == bindparam("key")).with_for_update()
_OF = _LANES.c.lane == any_(bindparam("lanes", type_=ARRAY(SmallInteger)))
_HOLD = update(_LANES).where(_OF).values(fence=bindparam("own_xid", type_=Xid8))
_MOVE = update(_LANES).where(_OF).values(xid=bindparam("last_xid", type_=Xid8), event_id=bindparam("last_id"))
# Of lanes that were evaluated later, by a clock that was ahead, not back.
_EVALUATED = update(_LANES).where(_OF).values(evaluated_at=func.greatest(_LANES.c.evaluated_at, bindparam("at", type_=Timestamp)))
_SET_EVALUATED = update(_LANES).where(_OF).values(evaluated_at=bindparam("at", type_=Timestamp))
_TIMES = select(func.min(_LANES.c.evaluated_at), func.max(_LANES.c.evaluated_at), func.count(_LANES.c.evaluated_at))
_CLOCK = select(func.clock_timestamp())
# Ordered, and so no EXISTS, which knows no order: it read the whole log from its beginning, a second for a million events.
_IS_BEHIND = text(
    """
    SELECT (
        SELECT true FROM events
        WHERE (xid, id) > (SELECT xid, event_id FROM segment_lanes ORDER BY xid, event_id LIMIT 1)
            AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid, id LIMIT 1
    )
    """
)


@dataclass(frozen=True, slots=True)
class Lane:
    number: int
    # `(xid, id)` of the last event that was looked at.
    place: tuple[int, int]
    evaluated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Times:
    """Up to when the lanes are evaluated: the one that is furthest behind, None where one never was, and the one that is furthest on."""

    first: datetime | None
    last: datetime | None


def database_clock(db: Connection) -> datetime:
    now: datetime = db.execute(_CLOCK).scalar_one()
    return now


def is_behind(db: Connection) -> bool:
    """Whether there is an event that some lane has not looked at."""
    return bool(db.scalar(_IS_BEHIND))


def take_free(unit: UnitOfWork, *, count: int) -> list[Lane]:
    """Up to `count` lanes that nobody is at, locked. Raises Outrun where a later transaction had one."""
    return _held(unit, unit.connection.execute(_TAKE_FREE, {"count": count}).all())


def take_all(unit: UnitOfWork) -> list[Lane]:
    """Every lane, locked, when whoever is at it is done. Raises Outrun where a later transaction had one."""
    return _held(unit, unit.connection.execute(_TAKE_ALL).all())


def wait_for_all(db: Connection) -> None:
    """Return when every transaction is over that was at a lane: those that come read the definitions after this."""
    for number in range(COUNT):
        db.execute(_WAIT, {"key": number})


def move(unit: UnitOfWork, lanes: Sequence[Lane], place: tuple[int, int]) -> None:
    unit.connection.execute(_MOVE, {"lanes": _numbers(lanes), "last_xid": place[0], "last_id": place[1]})


def note_evaluated(unit: UnitOfWork, lanes: Sequence[Lane], at: datetime) -> None:
    unit.connection.execute(_EVALUATED, {"lanes": _numbers(lanes), "at": at})


def set_evaluated(unit: UnitOfWork, lanes: Sequence[Lane], at: datetime) -> None:
    """Also back."""
    unit.connection.execute(_SET_EVALUATED, {"lanes": _numbers(lanes), "at": at})


def times(db: Connection) -> Times:
    first, last, evaluated = db.execute(_TIMES).one()
    return Times(first if evaluated == COUNT else None, last)


def _held(unit: UnitOfWork, rows: Iterable[Any]) -> list[Lane]:
    found = []
    for number, xid, event_id, evaluated_at, fence in rows:
        if fence > unit.xid:
            raise Outrun
        found.append(Lane(number, (xid, event_id), evaluated_at))
    if found:
        unit.connection.execute(_HOLD, {"lanes": _numbers(found), "own_xid": unit.xid})
    return found


def _numbers(lanes: Sequence[Lane]) -> list[int]:
    return [lane.number for lane in lanes]
