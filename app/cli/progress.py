"""How far a stream is: one line that is written anew on a terminal, and nothing elsewhere."""

from __future__ import annotations

import shutil
import sys
import time

_SECONDS = 0.2


class Progress:
    """`show` as often as one likes."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._shown_at = 0.0

    def seconds(self) -> float:
        return max(time.monotonic() - self._began, 0.001)

    def show(self, done: int, unit: str, *, share: float | None = None, note: str = "") -> None:
        now = time.monotonic()
        if not self._is_terminal or now - self._shown_at < _SECONDS:
            return
        self._shown_at = now
        percent = "" if share is None else f"{min(share, 1.0):4.0%}  "
        text = f"{percent}{done:,} {unit}  {done / self.seconds():,.0f}/s{note}"
        sys.stderr.write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._is_terminal and self._shown_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
