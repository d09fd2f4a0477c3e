"""New ids: UUIDv7, increasing within a process."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

# RFC 9562 5.7, https://www.rfc-editor.org/rfc/rfc9562#section-5.7: 48 bits of milliseconds, version, 12 bits, variant, 62 bits.
# The 74 free bits are, by 6.2 method 1, a counter of 42 (12 above the variant, 30 below) and 32 random ones, as in Python 3.14.
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)
_COUNTER_MAX = (1 << 42) - 1
_LOW_BITS = (1 << 30) - 1

# The counter starts anew with each millisecond, its highest bit clear, so that 2 ** 41 ids fit in before it overflows.
_COUNTER_START_MAX = (1 << 41) - 1

# Random bytes are fetched in blocks: os.urandom costs a system call however few it gives.
_POOL_SIZE = 4096


class _Generator:
    """The last time and counter given out, and random bytes in store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = 0
        self._counter = 0
        self._pool = b""
        self._position = 0

    def next(self) -> UUID:
        now = time.time_ns() // 1_000_000
        with self._lock:
            if now > self._millisecond:
                self._millisecond = now
                self._counter = self._random(6) & _COUNTER_START_MAX
            elif self._counter < _COUNTER_MAX:
                # The same millisecond, or a clock that was set back: the last time stays until the clock has passed it.
                self._counter += 1
            else:
                self._millisecond += 1
                self._counter = self._random(6) & _COUNTER_START_MAX
            millisecond, counter, tail = self._millisecond, self._counter, self._random(4)
        return UUID(
            int=(millisecond << 80) | _VERSION_AND_VARIANT | (counter >> 30 << 64) | ((counter & _LOW_BITS) << 32) | tail,
        )

    def _random(self, size: int) -> int:
        start = self._position
        if start + size > len(self._pool):
            self._pool = os.urandom(_POOL_SIZE)
            start = 0
        self._position = start + size
        return int.from_bytes(self._pool[start : start + size], "big")


_generator = _Generator()


def new_id() -> UUID:
    """Return a UUIDv7 greater than every one that this process made before, also where the clock was set back. Thread-safe."""
    return _generator.next()


def _start_afresh() -> None:
    global _generator
    _generator = _Generator()


# A forked child would give out its parent's random bytes again, and might find the lock held by a thread that it does not have.
os.register_at_fork(after_in_child=_start_afresh)
