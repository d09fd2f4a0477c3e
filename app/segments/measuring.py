"""How far behind the worker is, for `/metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

# The oldest event that some lane has not looked at, whether or not the feed shows it yet.
_MEASURE = text(
    """
    SELECT
        extract(epoch FROM now() - (
            SELECT time FROM events WHERE (xid, id) > (SELECT xid, event_id FROM segment_lanes ORDER BY xid, event_id LIMIT 1)
            ORDER BY xid, id LIMIT 1
        )),
        extract(epoch FROM now() - (SELECT min(evaluated_at) FROM segment_lanes)),
        (SELECT count(*) FROM segment_states WHERE filled < wanted)
    """
)


def measures(db: Connection) -> Mapping[str, tuple[str, float]]:
    """By name, what each is and its value."""
    behind, age, filling = db.execute(_MEASURE).one()
    return {
        "kehu_segments_behind_seconds": ("Age of the oldest event that the worker has not looked at for segments", float(behind or 0)),
        "kehu_segments_age_seconds": ("Time since everything was last evaluated for segments, time itself included", float(age or 0)),
        "kehu_segments_filling": ("Segments whose members the worker has yet to find for a new rule", float(filling)),
    }
