"""Statements on definitions and on what the worker says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Row, Select, Text, Uuid, any_, bindparam, case, delete, func, insert, select, text, update

from app.changes.log import Change, append_with, with_event
from app.core.caller import Caller
from app.db import keyset
from app.db.base import table_of
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork
from app.segments.definition import Definition
from app.segments.models import Segment, SegmentCount, SegmentLane, SegmentState

# Any: column values.

_SEGMENTS = table_of(Segment)
_STATES = table_of(SegmentState)
_COUNTS = table_of(SegmentCount)
COLUMNS = tuple(_SEGMENTS.c[field.name] for field in fields(Definition))

_ALL = select(*COLUMNS).order_by(Segment.name)
_NAMES = select(Segment.name).order_by(Segment.name)
_BY_ID = select(*COLUMNS).where(Segment.id == bindparam("key"))
# Some segments and all that their rules name, however far down.
_REACHED = """
    WITH RECURSIVE reached (id) AS (
        SELECT id FROM segments WHERE {first}
        UNION
        SELECT named.id FROM reached JOIN segments s ON s.id = reached.id, unnest(s.segments) AS named (id)
    )
    SELECT {columns} FROM segments JOIN reached USING (id)
"""


def _reached(first: str) -> Any:
    told = ", ".join(column.name for column in COLUMNS)
    return text(_REACHED.format(first=first, columns=told)).columns(*COLUMNS)


_REACHED_BY_NAME = Prepared(_reached("name = ANY(:names)").bindparams(bindparam("names", type_=ARRAY(Text))))
_REACHED_BY_ID = Prepared(_reached("id = :key").bindparams(bindparam("key", type_=Uuid)))

# What the worker says: a count and a time only where it has met the rule as it is.
_IS_FILLING = SegmentState.filled < SegmentState.wanted
_MEMBERS = select(func.coalesce(func.sum(SegmentCount.members), 0)).where(SegmentCount.segment_id == Segment.id).scalar_subquery()
_COUNTED = select(func.max(SegmentCount.counted_at)).where(SegmentCount.segment_id == Segment.id).scalar_subquery()
# Not before there was the segment, nor before a customer whom the number counts already; NULL where a lane was never evaluated.
_ALL_EVALUATED = select(func.min(SegmentLane.evaluated_at)).having(func.count(SegmentLane.evaluated_at) == func.count()).scalar_subquery()
_EVALUATED = case((_ALL_EVALUATED.is_not(None), func.greatest(_ALL_EVALUATED, _COUNTED, Segment.created_at)))
_SHOWN: Select[Any] = select(*COLUMNS, _IS_FILLING.label("is_filling"), _MEMBERS.label("members"), _EVALUATED.label("evaluated_at")).join(
    SegmentState, SegmentState.segment_id == Segment.id
)
_SHOWN_BY_ID = _SHOWN.where(Segment.id == bindparam("key"))

# Any number that is only ours: of those who write definitions one does at a time, since circles and uses are decided over all of them.
_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(1936025456)")

_VALUES = {column.name: bindparam(f"row_{column.name}", type_=column.type) for column in COLUMNS}
_INSERT = with_event(insert(_SEGMENTS).values(_VALUES))
_FENCED = (_SEGMENTS.c.id == bindparam("key"), _SEGMENTS.c.xid <= bindparam("own_xid", type_=_SEGMENTS.c.xid.type))
_WRITTEN = {name: value for name, value in _VALUES.items() if name not in ("id", "kind", "created_at")}
_UPDATE = with_event(update(_SEGMENTS).where(*_FENCED).values(_WRITTEN))
_DELETE = delete(_SEGMENTS).where(*_FENCED).returning(_SEGMENTS.c.id)
_DELETE_STATE = (
    delete(_STATES)
    .where(_STATES.c.segment_id == bindparam("key"), _STATES.c.xid <= bindparam("own_xid", type_=_STATES.c.xid.type))
    .returning(_STATES.c.segment_id)
)
# xid8 has an order and no max().
_LAST_FENCE = select(SegmentLane.fence).order_by(SegmentLane.fence.desc()).limit(1)
_INSERT_STATE = insert(_STATES)
# In one order, so that two who raise several wait for each other at the first; and not in the way of whoever keeps a segment from going.
_RAISE = text(
    """
    WITH locked AS (SELECT segment_id FROM segment_states WHERE segment_id = ANY(:ids) ORDER BY segment_id FOR NO KEY UPDATE)
    UPDATE segment_states s SET wanted = wanted + 1 FROM locked WHERE s.segment_id = locked.segment_id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def take_turns(db: Connection) -> None:
    """Up to the end of the transaction nobody else writes definitions, and the statements after this one see what others wrote."""
    db.execute(_TAKE_TURNS)


def get_definition_by_id(db: Connection, segment_id: UUID) -> Definition | None:
    row = db.execute(_BY_ID, {"key": segment_id}).one_or_none()
    return None if row is None else Definition(*row)


def list_definitions(db: Connection) -> list[Definition]:
    """All of them, by name; there are few."""
    return [Definition(*row) for row in db.execute(_ALL)]


def list_names(db: Connection) -> list[str]:
    return list(db.scalars(_NAMES))


def list_definitions_reached_by_name(db: Connection, names: Collection[str]) -> list[Definition]:
    """Those of the segments `names` that there are, and of all that they name, however far down."""
    return [Definition(*row) for row in _REACHED_BY_NAME.all(db, {"names": sorted(names)})]


def list_definitions_reached_by_id(db: Connection, segment_id: UUID) -> list[Definition]:
    """That of the segment, if there is one, and of all that it names, however far down."""
    return [Definition(*row) for row in _REACHED_BY_ID.all(db, {"key": segment_id})]


def list_definitions_by_attribute(db: Connection, attribute: str) -> list[Definition]:
    """Those whose rule names the custom attribute."""
    return [Definition(*row) for row in db.execute(_ALL.where(any_(Segment.attributes) == attribute))]


def get_shown_by_id(db: Connection, segment_id: UUID) -> Row[Any] | None:
    """The definition's columns, `is_filling`, `members` and `evaluated_at`."""
    found: Row[Any] | None = db.execute(_SHOWN_BY_ID, {"key": segment_id}).one_or_none()
    return found


def list_shown(
    db: Connection,
    *,
    kind: str | None,
    name: str | None,
    column: Any,
    descending: bool,
    after: tuple[Any, UUID] | None,
    count: int,
) -> Sequence[Row[Any]]:
    """At most `count` rows behind `after`, as `get_shown_by_id` has them, by `column` and id."""
    narrowed = _SHOWN if kind is None else _SHOWN.where(Segment.kind == kind)
    narrowed = narrowed if name is None else narrowed.where(Segment.name == name)
    statement = keyset.page_after(narrowed, column=column, key=Segment.id, after=after, descending=descending)
    return db.execute(statement.limit(count)).all()


def insert_definition(unit: UnitOfWork, caller: Caller, change: Change, definition: Definition, *, wanted: int) -> None:
    """Write the row, its event, and that it was `wanted` so many times and never filled."""
    append_with(unit, caller, change, _INSERT, _row(definition, _VALUES))
    unit.connection.execute(_INSERT_STATE, {"segment_id": definition.id, "wanted": wanted, "filled": 0, "xid": 0})


def update_definition(unit: UnitOfWork, caller: Caller, change: Change, definition: Definition) -> bool:
    """Write the row and its event; whether the row had no later writer."""
    values = _row(definition, _WRITTEN) | {"key": definition.id, "own_xid": unit.xid}
    return append_with(unit, caller, change, _UPDATE, values)


def delete_definition(unit: UnitOfWork, segment_id: UUID) -> bool:
    """Remove the definition and what the worker says of it, but for the members, which it clears; whether neither it nor one of its
    members had a later writer."""
    own = {"key": segment_id, "own_xid": unit.xid}
    if unit.connection.execute(_DELETE, own).one_or_none() is None or unit.connection.execute(_DELETE_STATE, own).one_or_none() is None:
        return False
    unit.connection.execute(delete(_COUNTS).where(_COUNTS.c.segment_id == segment_id))
    # Asked after the row is ours: a transaction of the worker that told of a member has kept it up to its commit.
    return unit.connection.execute(_LAST_FENCE).scalar_one() < unit.xid


def raise_wanted(db: Connection, ids: Collection[UUID]) -> None:
    """Say that each customer is worth a look for these segments."""
    if ids:
        db.execute(_RAISE, {"ids": sorted(ids)})


def _row(definition: Definition, names: Mapping[str, Any]) -> dict[str, Any]:
    return {f"row_{name}": getattr(definition, name) for name in names}
