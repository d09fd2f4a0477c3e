"""Events as plain values, ready to be shown; what the database keeps as JSON stays text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

SOURCE = "urn:kehu"


@dataclass(frozen=True, slots=True)
class ShownEvent:
    event_id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    position: str
    actor: orjson.Fragment
    request_id: str
    data: orjson.Fragment


def shown(row: Row[Any], position_text: Callable[[tuple[int, int, int]], str]) -> ShownEvent:  # Any: the columns of the log's queries
    return ShownEvent(
        event_id=row.event_id,
        source=SOURCE,
        type=row.type,
        subject=row.subject,
        time=row.time,
        position=position_text((row.epoch, row.xid, row.id)),
        actor=orjson.Fragment(row.actor),
        request_id=row.request_id,
        data=orjson.Fragment(row.data),
    )
