"""Reading the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, tuple_

from app.changes.models import Event, FeedEpoch

# Any: the columns of a row.
_SHOWN = (
    select(FeedEpoch.epoch).scalar_subquery().label("epoch"),
    Event.xid,
    Event.id,
    Event.event_id,
    Event.type,
    Event.subject,
    Event.actor,
    Event.request_id,
    Event.time,
    Event.data,
)
_OF_SUBJECT = (
    select(*_SHOWN).where(Event.subject == bindparam("subject")).order_by(Event.xid.desc(), Event.id.desc()).limit(bindparam("count"))
)
_OF_SUBJECT_BEFORE = _OF_SUBJECT.where(
    tuple_(Event.xid, Event.id) < tuple_(bindparam("xid", type_=Event.xid.type), bindparam("id", type_=Event.id.type))
)


def list_events_of_subject(db: Connection, *, subject: str, before: tuple[int, int] | None, count: int) -> Sequence[Row[Any]]:
    """At most `count` events about `subject`, newest first, older than `before` (xid, id)."""
    if before is None:
        return db.execute(_OF_SUBJECT, {"subject": subject, "count": count}).all()
    return db.execute(_OF_SUBJECT_BEFORE, {"subject": subject, "count": count, "xid": before[0], "id": before[1]}).all()
