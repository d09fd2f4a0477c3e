"""Reading the log.

The order of the log is `(xid, id)`, and it may be read up to the oldest transaction that is still running: what commits later has a
larger xid, so nothing ever appears behind a reader. One statement asks for that bound and for the events, in one snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, Text, TextClause, any_, bindparam, cast, func, select, text, tuple_

from app.changes.models import Event, FeedEpoch
from app.db.columns import Xid8
from app.db.prepared import Prepared

# Any: the columns of a row.
_SHOWN = (
    select(FeedEpoch.epoch).scalar_subquery().label("epoch"),
    Event.xid,
    Event.id,
    Event.event_id,
    Event.type,
    Event.subject,
    # As the text that is kept: it goes out as it is, without a way through Python's objects.
    cast(Event.actor, Text).label("actor"),
    Event.request_id,
    Event.time,
    cast(Event.data, Text).label("data"),
)
_OF_SUBJECT = (
    select(*_SHOWN).where(Event.subject == bindparam("subject")).order_by(Event.xid.desc(), Event.id.desc()).limit(bindparam("count"))
)
_BEFORE = tuple_(Event.xid, Event.id) < tuple_(bindparam("xid", type_=Event.xid.type), bindparam("id", type_=Event.id.type))
_OF_TYPES = Event.type == any_(bindparam("types", type_=ARRAY(Text)))


# What `app.changes.events` shows, in its order; the last columns of every statement here. An event's id as the text that it is shown as.
_COLUMNS = "e.xid, e.id, CAST(e.event_id AS text), e.type, e.subject, e.actor, e.request_id, e.time, e.data"


def _feed(*, narrowed: str, filtered: str) -> TextClause:
    """The statement of a page. `narrowed` is served by an index; `filtered` is asked of each event in a window of :window.

    The window keeps a page's cost the same however rare the types are that are asked for. The first row tells of the page: the last event
    looked at, None where there was none, for the next page begins there, whether or not that one was asked for. It is an event and not the
    bound itself, since a crash may give out transaction ids again of which nothing was written.
    """
    # Materialized, or the window would be computed once for `last` and once more for the page.
    return text(
        f"""
        WITH bound AS MATERIALIZED (
            SELECT
                pg_snapshot_xmin(pg_current_snapshot()) AS xmin, pg_snapshot_xmax(pg_current_snapshot()) AS xmax,
                (SELECT epoch FROM feed_epoch) AS epoch
        ), looked_at AS MATERIALIZED (
            SELECT * FROM events
            WHERE (xid, id) > (CAST(:xid AS xid8), CAST(:id AS bigint)) AND xid < (SELECT xmin FROM bound) {narrowed}
            ORDER BY xid, id LIMIT :window
        ), last AS (
            SELECT xid, id FROM looked_at ORDER BY xid DESC, id DESC LIMIT 1
        ), page AS (
            SELECT * FROM looked_at {filtered} ORDER BY xid, id LIMIT :count
        )
        SELECT * FROM (
            SELECT
                bound.xmax, (SELECT count(*) FROM looked_at) AS looked_at, bound.epoch, last.xid, last.id,
                NULL AS event_id, NULL AS type, NULL AS subject, NULL AS actor, NULL AS request_id, NULL AS time, NULL AS data
            FROM bound LEFT JOIN last ON true
            UNION ALL
            SELECT NULL, NULL, bound.epoch, {_COLUMNS} FROM page e CROSS JOIN bound
        ) AS told
        ORDER BY looked_at NULLS LAST, xid, id
        """
    )


_BY_SUBJECT = "AND subject = :subject"
_BY_TYPES = "type = ANY(:types)"
_NOT_SEEN = "NOT pg_visible_in_snapshot(xid, CAST(:snapshot AS pg_snapshot))"


def _statement(*, by_subject: bool, by_types: bool, not_seen: bool) -> Prepared:
    conditions = [condition for condition, wanted in ((_BY_TYPES, by_types), (_NOT_SEEN, not_seen)) if wanted]
    filtered = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = _feed(narrowed=_BY_SUBJECT if by_subject else "", filtered=filtered)
    return Prepared(statement.bindparams(bindparam("types", type_=ARRAY(Text))) if by_types else statement)


_STATEMENTS = {
    wanted: _statement(by_subject=wanted[0], by_types=wanted[1], not_seen=wanted[2]) for wanted in product((False, True), repeat=3)
}
# Everything that a transaction sees which has begun with this statement, and nothing else.
_SNAPSHOT = select(select(FeedEpoch.epoch).scalar_subquery(), cast(func.pg_current_snapshot(), Text))


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in the feed's order, as `app.changes.events` shows them. `last` is the last event looked at, None where there was none;
    `whole`: there are no more yet."""

    events: Sequence[Sequence[Any]]
    last: tuple[int, int] | None
    whole: bool
    epoch: int
    # The first transaction id that was not given out yet.
    xmax: int


def list_events_of_subject(
    db: Connection, *, subject: str, types: Sequence[str] | None, before: tuple[int, int] | None, count: int
) -> Sequence[Row[Any]]:
    """At most `count` events about `subject` of `types` (None: all), newest first, older than `before` (xid, id)."""
    statement, values = _OF_SUBJECT, {"subject": subject, "count": count}
    if types is not None:
        statement, values = statement.where(_OF_TYPES), {**values, "types": list(types)}
    if before is not None:
        statement, values = statement.where(_BEFORE), {**values, "xid": before[0], "id": before[1]}
    return db.execute(statement, values).all()


def get_snapshot(db: Connection) -> tuple[int, str]:
    """The epoch, and what the running transaction sees, as a pg_snapshot in text."""
    epoch, snapshot = db.execute(_SNAPSHOT).one()
    return epoch, snapshot


def read_feed(
    db: Connection,
    *,
    after: tuple[int, int],
    types: Sequence[str] | None,
    subject: str | None,
    snapshot: str | None,
    count: int,
    window: int,
) -> FeedPage:
    """At most `count` events of the next `window` behind `after` (xid, id), of `types` (None: all), about `subject` (None: any), and not
    seen by `snapshot`."""
    values: dict[str, Any] = {"xid": str(after[0]), "id": after[1], "count": count, "window": window}
    if subject is not None:
        values["subject"] = subject
    if types is not None:
        values["types"] = list(types)
    if snapshot is not None:
        values["snapshot"] = snapshot
    (xmax, looked_at, epoch, last_xid, last_id, *_), *events = _STATEMENTS[
        subject is not None, types is not None, snapshot is not None
    ].all(db, values)
    full = len(events) == count
    last = (last_xid, last_id) if last_xid is not None else None
    if full:
        # A full page may end before the window does.
        _, _, _, xid, number, *_ = events[-1]
        last = (xid, number)
    return FeedPage(events=events, last=last, whole=not full and looked_at < window, epoch=epoch, xmax=xmax)


_OLDEST_NOT_SHOWN = select(func.extract("epoch", func.now() - func.min(Event.time))).where(
    Event.xid >= func.pg_snapshot_xmin(func.pg_current_snapshot(), type_=Xid8())
)


def seconds_behind(db: Connection) -> float:
    """The age of the oldest event that is written and not yet shown, since an older transaction is still running; else 0."""
    return float(db.scalar(_OLDEST_NOT_SHOWN) or 0)
