"""Segments whose rule makes a statement fail: found by trying each alone, and passed over for a while, so that the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from app.core import logs
from app.db import failures

_log = logs.get(__name__)

_PASSED_OVER_SECONDS = 60.0


class Undecided(Exception):
    """A statement about `customers` failed by its own fault; what it asked of each segment is not known."""

    def __init__(self, customers: Collection[UUID], now: datetime) -> None:
        super().__init__("a statement on who is in segments failed")
        self.customers = customers
        self.now = now


class Failing:
    """Which segments are passed over now; shared by threads."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._until: dict[UUID, float] = {}

    def note(self, segment_id: UUID, error: BaseException) -> None:
        """Pass it over for a while; told once, up to `forget`."""
        with self._lock:
            is_new = segment_id not in self._until
            self._until[segment_id] = self._seconds() + _PASSED_OVER_SECONDS
        if is_new:
            # Not the message, in which values stand.
            _log.warning("segment_failing", segment_id=str(segment_id), sqlstate=failures.sqlstate(error.__cause__ or error))

    def forget(self, segment_id: UUID) -> None:
        with self._lock:
            self._until.pop(segment_id, None)

    def now(self) -> frozenset[UUID]:
        with self._lock:
            return frozenset(one for one, until in self._until.items() if until > self._seconds())
