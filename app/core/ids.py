"""New ids: UUIDv7, increasing within a process."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from uuid import UUID, SafeUUID

# RFC 9562 5.7, https://www.rfc-editor.org/rfc/rfc9562#section-5.7: 48 bits of milliseconds, version, 12 bits, variant, 62 bits.
# Of the 74 free bits, by 6.2 method 1, the 30 below the variant count, starting anew at a random number with each millisecond;
# the 12 above are random per millisecond, the last 32 per id. The id without those 32 is kept as one number and counted up.
_MILLISECONDS = 80
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)
_ONE = 1 << 32

# The counter's highest bit starts clear: at least 2 ** 29 ids fit in. The bit above it is the lower one of the variant, clear in
# every UUID of RFC 9562, so a counter that overflows shows there.
_START_MASK = (0xFFF << 64) | (((1 << 29) - 1) << 32)
_OVERFLOW = 1 << 62

# Random tails are fetched by the thousand: os.urandom costs a system call however little it gives.
_TAILS = struct.Struct("1024I")

# The two slots of a UUID, which has no other way to be made but a constructor that looks for six kinds of arguments.
_SET_INT = UUID.__dict__["int"].__set__
_SET_SAFETY = UUID.__dict__["is_safe"].__set__
# A member of an Enum takes as long to get as an id to make.
_SAFETY = SafeUUID.unknown


class _Generator:
    """The last id given out, without its random tail, and tails in store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = 0
        self._last = 0
        self._tails: Iterator[int] = iter(())

    def next(self) -> UUID:
        with self._lock:
            first = self._take(1)
            tail = next(self._tails, None)
            if tail is None:
                self._tails = iter(_TAILS.unpack(os.urandom(_TAILS.size)))
                tail = next(self._tails)
        return _id(first | tail)

    def several(self, count: int) -> list[UUID]:
        with self._lock:
            first = self._take(count)
        tails = struct.unpack(f"{count}I", os.urandom(4 * count))
        return [_id(first + number * _ONE | tail) for number, tail in enumerate(tails)]

    def _take(self, count: int) -> int:
        """The first of so many, which are one `_ONE` apart."""
        now = time.time_ns() // 1_000_000
        if now > self._millisecond:
            self._start(now)
        # The same millisecond, or a clock that was set back: the last time stays until the clock has passed it.
        elif (self._last + count * _ONE) & _OVERFLOW:
            self._start(self._millisecond + 1)
        else:
            self._last += _ONE
        first = self._last
        self._last += (count - 1) * _ONE
        return first

    def _start(self, millisecond: int) -> None:
        random = int.from_bytes(os.urandom(10), "big") & _START_MASK
        self._millisecond = millisecond
        self._last = (millisecond << _MILLISECONDS) | _VERSION_AND_VARIANT | random


def _id(number: int) -> UUID:
    made = object.__new__(UUID)
    _SET_INT(made, number)
    _SET_SAFETY(made, _SAFETY)
    return made


_generator = _Generator()


def new_id() -> UUID:
    """Return a UUIDv7 greater than every one that this process made before, also where the clock was set back. Thread-safe."""
    return _generator.next()


def ids_by_the_hundred() -> Iterator[UUID]:
    """UUIDv7 without end, increasing among each other, for one who takes hundreds. Made a hundred at a time, so an id that `new_id` makes
    meanwhile may be greater than the next. Not to be kept across a fork."""
    while True:
        yield from _generator.several(100)


def _start_afresh() -> None:
    global _generator
    _generator = _Generator()


# A forked child would give out its parent's random bytes again, and might find the lock held by a thread that it does not have.
os.register_at_fork(after_in_child=_start_afresh)
