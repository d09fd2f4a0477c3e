"""How many streams run at once in a process: half of its threads, so that short requests always find one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.core.errors import Unavailable


class Place:
    """One stream's; given back once, however often that is asked for."""

    __slots__ = ("_places",)

    def __init__(self, places: threading.Semaphore) -> None:
        self._places: threading.Semaphore | None = places

    def leave(self) -> None:
        if self._places is not None:
            self._places.release()
            self._places = None


@contextmanager
def taken(places: threading.Semaphore) -> Iterator[Place]:
    """A place, kept beyond the block for whoever answers; given back where the block fails. Raises Unavailable where there is none."""
    if not places.acquire(blocking=False):
        raise Unavailable("streams_busy")
    place = Place(places)
    try:
        yield place
    except BaseException:
        place.leave()
        raise
