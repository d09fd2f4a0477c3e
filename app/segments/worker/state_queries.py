"""Statements on how far each segment is filled, and on taking turns at a static one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Uuid, any_, bindparam, select, update

from app.db.base import table_of
from app.db.columns import Xid8
from app.segments.models import SegmentState

_STATES = table_of(SegmentState)
_OF = _STATES.c.segment_id == any_(bindparam("ids", type_=ARRAY(Uuid)))
_LOCK = select(_STATES.c.segment_id, _STATES.c.xid).where(_OF).order_by(_STATES.c.segment_id).with_for_update()
_NOTE = update(_STATES).where(_OF).values(xid=bindparam("own_xid", type_=Xid8))
_UNFILLED = select(_STATES.c.segment_id, _STATES.c.wanted).where(_STATES.c.filled < _STATES.c.wanted).order_by(_STATES.c.segment_id)
_FILLED = (
    update(_STATES).where(_STATES.c.segment_id == bindparam("key"), _STATES.c.filled < bindparam("met")).values(filled=bindparam("met"))
)


def lock_states(db: Connection, ids: Collection[UUID]) -> Mapping[UUID, int]:
    """Of those that there are, the last writer's transaction; locked."""
    return {row.segment_id: row.xid for row in db.execute(_LOCK, {"ids": list(ids)})}


def note_writer(db: Connection, ids: Collection[UUID], xid: int) -> None:
    db.execute(_NOTE, {"ids": list(ids), "own_xid": xid})


def list_unfilled(db: Connection) -> Mapping[UUID, int]:
    """The segments that are to be filled, and what is wanted of each."""
    return {row.segment_id: row.wanted for row in db.execute(_UNFILLED)}


def note_filled(db: Connection, segment_id: UUID, met: int) -> None:
    db.execute(_FILLED, {"key": segment_id, "met": met})
