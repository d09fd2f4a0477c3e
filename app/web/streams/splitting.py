"""From pieces of any size to physical lines."""

from __future__ import annotations

from app.core import limits


class Splitter:
    """Keeps the line that has begun; of one that is too long it keeps nothing."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._too_long = False
        # Of the line that has begun.
        self.number = 1

    def feed(self, piece: bytes) -> list[bytes | None]:
        """The lines that are complete now, without their ends; None in place of one that is too long. The first is line `number`."""
        if b"\n" not in piece:
            self._grow(piece)
            return []
        first, *rest = piece.split(b"\n")
        self._grow(first)
        lines: list[bytes | None] = [self._end()]
        last = rest.pop()
        lines += rest
        self._grow(last)
        self.number += len(lines)
        return lines

    def finish(self) -> list[bytes | None]:
        """The last line, where no line end came behind it."""
        return [self._end()] if self._begun or self._too_long else []

    def _grow(self, piece: bytes) -> None:
        if self._too_long:
            return
        self._begun += piece
        if len(self._begun) > limits.LINE_MAX_BYTES:
            self._too_long = True
            self._begun = bytearray()

    def _end(self) -> bytes | None:
        line = None if self._too_long else bytes(self._begun)
        self._begun = bytearray()
        self._too_long = False
        return line
