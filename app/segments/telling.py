"""What events tell of a membership."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.changes.log import Change, subject_of
from app.segments.definition import Definition

_TOLD = ("segment_id", "segment_name", "customer_id", "entered_at")


def joined(segment: Definition, customer_id: UUID, entered_at: datetime) -> Change:
    told = _membership(segment, customer_id, entered_at)
    return Change("segment.joined", subject_of("customers", customer_id), None, told, _TOLD, customer_id)


def left(segment: Definition, customer_id: UUID, entered_at: datetime) -> Change:
    told = _membership(segment, customer_id, entered_at)
    return Change("segment.left", subject_of("customers", customer_id), told, None, _TOLD, customer_id)


def _membership(segment: Definition, customer_id: UUID, entered_at: datetime) -> dict[str, Any]:  # Any: JSON
    return dict(zip(_TOLD, (segment.id, segment.name, customer_id, entered_at), strict=True))
