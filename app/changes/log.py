"""Appending to the log: the only way in, for one event and for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from app.changes.models import Event, FeedEpoch
from app.core.caller import Caller
from app.core.ids import new_id
from app.db.base import table_of
from app.db.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Change:
    """What an event tells. `before` and `after` hold the fields in `changed`, `after` the new version too; of something new, all of it.

    Values are what orjson writes as the API does: aware times, dates, ids, text, numbers, lists and dicts.
    """

    type: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    changed: tuple[str, ...]


_EVENTS = table_of(Event)
_EPOCH = select(FeedEpoch.epoch).scalar_subquery()
_INSERT = insert(_EVENTS).returning(_EPOCH, Event.xid, Event.id)


def append(unit: UnitOfWork, caller: Caller, changes: Sequence[Change]) -> None:
    """Append in the order given, in the transaction of the write, and note the last one's position on `unit`."""
    if not changes:
        return
    rows = [
        {
            "event_id": new_id(),
            "type": change.type,
            "subject": change.subject,
            "actor": caller.actor,
            "request_id": caller.request_id,
            "time": unit.now,
            "data": {"before": change.before, "after": change.after, "changed": change.changed},
        }
        for change in changes
    ]
    # One row is one plain INSERT; for several SQLAlchemy writes VALUES lists, whose numbers do not have to rise in the order of the list.
    if len(rows) == 1:
        last = unit.connection.execute(_INSERT, rows[0]).one()
    else:
        last = unit.connection.execute(_INSERT.returning(sort_by_parameter_order=True), rows).all()[-1]
    unit.position = (last[0], last[1], last[2])


def subject_of(plural: str, key: UUID) -> str:
    """What an event is about, as the address below /v1."""
    return f"{plural}/{key}"
