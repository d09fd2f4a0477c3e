"""Appending to the log: the only way in, for one event and for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Insert, Update, bindparam, insert, literal, select, text

from app.changes.models import Event, FeedEpoch
from app.core.caller import Caller
from app.core.ids import new_id, new_ids
from app.db.base import table_of
from app.db.columns import to_json
from app.db.prepared import Prepared
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
    # Whose it is, where it is a customer's.
    customer_id: UUID | None = None


class Written(NamedTuple):
    """A change as the texts of its row."""

    type: str
    subject: str
    customer_id: str
    data: str


_EVENTS = table_of(Event)
_EPOCH = select(FeedEpoch.epoch).scalar_subquery()
_PLACE = (_EPOCH, Event.xid, Event.id)
# Many events as a few long texts: SQLAlchemy's list of VALUES would be a new statement for each length, and events inside one JSON text
# would be parsed twice (74 us an event of a new customer so, and 40 us apart). U+001E stands in no JSON, since there it is escaped.
# Sorted, since the numbers have to rise in the order given.
_BETWEEN = "\x1e"
_APPEND = text(
    """
    WITH written AS (
        INSERT INTO events (event_id, type, subject, customer_id, actor, request_id, time, data)
        SELECT CAST(event_id AS uuid), type, subject, CAST(customer_id AS uuid), :actor, :request_id, :time, CAST(data AS jsonb)
        FROM unnest(
            string_to_array(:event_ids, chr(30)), string_to_array(:types, chr(30)), string_to_array(:subjects, chr(30)),
            string_to_array(:customer_ids, chr(30), ''), string_to_array(:data, chr(30))
        ) WITH ORDINALITY AS sent (event_id, type, subject, customer_id, data, n)
        ORDER BY n
        RETURNING id
    )
    SELECT (SELECT epoch FROM feed_epoch), max(id) FROM written
    """
).bindparams(bindparam("actor", type_=_EVENTS.c.actor.type), bindparam("time", type_=_EVENTS.c.time.type))
_COLUMNS = ("event_id", "type", "subject", "customer_id", "actor", "request_id", "time", "data")


def append(unit: UnitOfWork, caller: Caller, changes: Sequence[Change]) -> None:
    """Append in the order given, in the transaction of the write, and note the last one's position on `unit`."""
    append_written(unit, caller, [written(change) for change in changes])


def written(change: Change) -> Written:
    """`change` as it goes to the database: the part of appending that needs no turn."""
    return Written(change.type, change.subject, str(change.customer_id or ""), to_json(_data(change)))


def append_written(unit: UnitOfWork, caller: Caller, changes: Sequence[Written]) -> None:
    """As `append`."""
    if not changes:
        return
    types, subjects, customer_ids, data = (_BETWEEN.join(column) for column in zip(*changes, strict=True))
    values = {
        "event_ids": _BETWEEN.join(map(str, new_ids(len(changes)))),
        "types": types,
        "subjects": subjects,
        "customer_ids": customer_ids,
        "data": data,
        "actor": caller.actor,
        "request_id": caller.request_id,
        "time": unit.now,
    }
    epoch, last = unit.connection.execute(_APPEND, values).one()
    unit.position = (epoch, unit.xid, last)


def with_event(write: Insert | Update) -> Prepared:
    """The statement that does `write` and, where that wrote a row, appends an event: one round trip where two would be most of a
    write's time. To be built once, and run by `append_with`. The names of the write's own values must not begin with `event_`."""
    written = write.returning(literal(1).label("one")).cte("written")
    told = (bindparam(f"event_{name}", type_=_EVENTS.c[name].type) for name in _COLUMNS)
    # Through a CTE and from values, not from a distributed table: there the event would get a worker's transaction id.
    appended = insert(_EVENTS).from_select(_COLUMNS, select(*told).select_from(written)).add_cte(written)
    return Prepared(appended.returning(*_PLACE))


def append_with(unit: UnitOfWork, caller: Caller, change: Change, statement: Prepared, values: Mapping[str, Any]) -> bool:
    """Run a statement made by `with_event`; whether it wrote a row, and with it the event, whose position is noted on `unit`."""
    told = {f"event_{name}": value for name, value in _row(unit, caller, change).items()}
    found = statement.one_or_none(unit.connection, {**values, **told})
    if found is None:
        return False
    unit.position = (found[0], found[1], found[2])
    return True


def subject_of(plural: str, key: UUID) -> str:
    """What an event is about, as the address below /v1."""
    return f"{plural}/{key}"


def _row(unit: UnitOfWork, caller: Caller, change: Change) -> dict[str, Any]:
    return {
        "event_id": new_id(),
        "type": change.type,
        "subject": change.subject,
        "customer_id": change.customer_id,
        "actor": caller.actor,
        "request_id": caller.request_id,
        "time": unit.now,
        "data": _data(change),
    }


def _data(change: Change) -> dict[str, Any]:
    return {"before": change.before, "after": change.after, "changed": change.changed}
