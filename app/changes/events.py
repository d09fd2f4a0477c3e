"""Events as they are answered: the JSON that is kept as text goes out as it is, without a way through Python's objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

SOURCE = "urn:kehu"


def shown(row: Sequence[Any], position_text: Callable[[tuple[int, int, int]], str]) -> dict[str, Any]:  # Any: the log's columns, and JSON
    """An `EventSchema`, made by hand: a page of the feed has a thousand of them, and a compiled dump of each would cost a third more."""
    epoch, xid, number, event_id, kind, subject, actor, request_id, time, data = row[-10:]
    return {
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "subject": subject,
        "time": time,
        "position": position_text((epoch, xid, number)),
        "actor": orjson.Fragment(actor),
        "request_id": request_id,
        "data": orjson.Fragment(data),
    }
