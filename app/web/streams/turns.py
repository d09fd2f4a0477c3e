"""Two chunks of an import under way at once: the next is decided while the database writes the one before, and written after it."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")

# How many chunks are under way. A chunk may have been decided before the one before it was there, never before the one before that.
CHUNKS = 2


class Forsaken(Exception):
    """The chunk before was not written, so this one must not be."""


class Turn(Generic[T]):
    """The place of one chunk in the order of its stream."""

    def __init__(self, before: Turn[T] | None) -> None:
        self._before = before
        self._over = threading.Event()
        self._is_written = False
        self._left: T | None = None

    def wait(self) -> T | None:
        """What the chunk before has left behind, once it is there for good; None where it changed nothing. Raises Forsaken."""
        before = self._before
        if before is None:
            return None
        before._over.wait()
        if not before._is_written:
            raise Forsaken
        return before._left

    def leave(self, left: T | None) -> None:
        """The chunk is there for good, and the next may be written."""
        self._left = left
        self._is_written = True
        self._over.set()

    def close(self) -> None:
        """To be called at the end, whatever happened."""
        # Or every chunk would keep all those before it.
        self._before = None
        self._over.set()
