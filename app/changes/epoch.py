"""Lives of the database: positions belong to one, and a restore begins the next.

After a restore transaction ids are given out again, so a position of before could stand behind events that its holder never saw.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

_READ = text("SELECT epoch, system_identifier, (SELECT system_identifier::text FROM pg_control_system()) AS present FROM feed_epoch")
_BEGIN = text("UPDATE feed_epoch SET epoch = epoch + 1, system_identifier = (SELECT system_identifier::text FROM pg_control_system())")
_ADOPT = text("UPDATE feed_epoch SET system_identifier = (SELECT system_identifier::text FROM pg_control_system())")
# The fence and the feed compare ids of this server's transactions, and these are another one's.
_VERSIONED = ("events", "customers", "contact_history", "segments", "segment_states")
_FORGET = (
    *(text(f"UPDATE {table} SET xid = '0' WHERE xid <> '0'") for table in _VERSIONED),
    # The worker begins behind all that is there, and looks at every customer anew.
    text("UPDATE segment_lanes SET xid = '0', event_id = coalesce((SELECT max(id) FROM events), 0), evaluated_at = NULL, fence = '0'"),
    text("UPDATE segment_states SET wanted = wanted + 1"),
)
_IS_AHEAD = text("SELECT coalesce((SELECT xid FROM events ORDER BY xid DESC LIMIT 1) >= pg_snapshot_xmax(pg_current_snapshot()), false)")


def begin(connection: Connection) -> None:
    """Begin the next life: every position given so far is refused from now on. To be called while nobody writes."""
    connection.execute(_BEGIN)
    for statement in _FORGET:
        connection.execute(statement)


def begin_where_moved(connection: Connection) -> bool:
    """Begin the next life where the data lies on another server than before; whether it did."""
    row = connection.execute(_READ).one()
    if row.system_identifier == row.present:
        return False
    if row.system_identifier is None:
        connection.execute(_ADOPT)
        return False
    begin(connection)
    return True


def is_behind_its_log(connection: Connection) -> bool:
    """Whether this server has yet to give out transaction ids that the log holds already: restored, and nobody said so."""
    return bool(connection.scalar(_IS_AHEAD))
