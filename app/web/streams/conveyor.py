"""Between the thread that reads lines and the one that writes them: gathers chunks, and stops the reader where it is too far ahead."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from types import TracebackType

from app.core import limits
from app.web.streams.lines import Broken, Line

# Lines and bytes that wait: a chunk that is full, and one that fills.
_LINES = 2 * limits.IMPORT_CHUNK_LINES
_BYTES = 2 * limits.IMPORT_CHUNK_BYTES


class Conveyor:
    """Reads `lines` in a thread of its own from `with` on; leaving it ends the thread."""

    def __init__(self, lines: Iterable[Sequence[Line]]) -> None:
        self._lines = lines
        self._changed = threading.Condition()
        self._waiting: deque[Line] = deque()
        self._bytes = 0
        # When the first of those that wait came.
        self._since = 0.0
        self._after = 1
        self._over = False
        self._left = False
        self._thread = threading.Thread(target=self._read, name="import-reader", daemon=True)
        self.broken: Broken | None = None
        self._failure: BaseException | None = None

    @property
    def next_line(self) -> int:
        """The first line that was not taken; to be asked when the thread has ended."""
        return self._waiting[0].number if self._waiting else int(getattr(self._lines, "next_line", self._after))

    @property
    def is_over(self) -> bool:
        """Whether every line was taken."""
        return self._over and not self._waiting

    def __enter__(self) -> Conveyor:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._left = True
            self._changed.notify_all()
        # One that waits for its client has to be told.
        _call(self._lines, "stop")
        self._thread.join()
        _call(self._lines, "close")

    def take(self, seconds: float) -> list[Line] | None:
        """The next chunk: full, or a second old, or the last. Empty after `seconds` without one, None at the end."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._is_due():
                if self._over:
                    if self._failure is not None:
                        raise self._failure
                    return None
                now = time.monotonic()
                if now >= until:
                    return []
                due = self._since + limits.IMPORT_CHUNK_SECONDS if self._waiting else until
                self._changed.wait(max(0.0, min(until, due) - now))
            chunk = self._chunk()
            self._changed.notify_all()
            return chunk

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        full = len(self._waiting) >= limits.IMPORT_CHUNK_LINES or self._bytes >= limits.IMPORT_CHUNK_BYTES
        return full or self._over or time.monotonic() - self._since >= limits.IMPORT_CHUNK_SECONDS

    def _chunk(self) -> list[Line]:
        chunk: list[Line] = []
        size = 0
        for line in islice(self._waiting, limits.IMPORT_CHUNK_LINES):
            size += len(line.raw)
            chunk.append(line)
            if size >= limits.IMPORT_CHUNK_BYTES:
                break
        for _ in chunk:
            self._waiting.popleft()
        self._bytes -= size
        self._since = time.monotonic()
        return chunk

    def _read(self) -> None:
        try:
            for block in self._lines:
                if not self._put(block):
                    return
        except Broken as broken:
            self.broken = broken
        except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to the thread that waits
            self._failure = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _put(self, block: Sequence[Line]) -> bool:
        with self._changed:
            while not self._left and (len(self._waiting) >= _LINES or self._bytes >= _BYTES):
                self._changed.wait()
            if not block:
                return not self._left
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.extend(block)
            self._after = block[-1].number + 1
            self._bytes += sum(len(line.raw) for line in block)
            self._changed.notify_all()
            return not self._left


def _call(lines: object, name: str) -> None:
    """Of lines that come of a client; others have nothing to stop."""
    method = getattr(lines, name, None)
    if method is not None:
        method()
