"""The lines that were refused, as they were sent, in a file that can be mended and sent again; and beside it why."""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import IO

import orjson

from app.cli.client import Failed, say
from app.cli.results import Json
from app.cli.sending import Origin

_RANGE = struct.Struct("<QQ")
# Greater than any line.
_END = 2**63
_PIECE_BYTES = 65_536


class Refused:
    """Told of each result in turn; the lines themselves are copied at the end, so that nothing is kept in memory meanwhile.

    A record of CSV ends where the next one that has a result begins. So a refusal counts when that is known: after a broken connection the
    last one is left out, and comes again when its line is sent again.
    """

    def __init__(self, path: Path, origin: Origin, *, has_header: bool) -> None:
        self.path = path
        self.reasons_path = path.with_name(path.name + ".reasons")
        if origin.is_file(path) or origin.is_file(self.reasons_path):
            raise Failed(f"--refused {path}: is the file that is to be sent.")
        self._origin = origin
        self._has_header = has_header
        self._ranges: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # until the process ends
        self._waiting: tuple[int, Json] | None = None
        # What they held is only given up when the answer begins; that they can be written is known before.
        self._lines = _opened(path)
        self._reasons = _opened(self.reasons_path)

    def begin(self) -> None:
        for file in (self._lines, self._reasons):
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                file.truncate(0)

    def see(self, line: int, refusal: Json | None) -> None:
        """The next result is of `line`; `refusal` is the result itself where it is one."""
        if self._waiting is not None:
            begin, reason = self._waiting
            self._ranges.write(_RANGE.pack(begin, line))
            self._reasons.write(orjson.dumps(reason, option=orjson.OPT_APPEND_NEWLINE))
        self._waiting = None if refusal is None else (line, refusal)

    def finish(self, end: int | None) -> None:
        """All lines have their results, those before `end` where it is said."""
        self.see(_END if end is None else end, None)

    def copy(self) -> None:
        """Writes the lines; nothing may be sending any more."""
        try:
            with self._lines, self._reasons:
                self._ranges.seek(0)
                self._copy_lines(_RANGE.unpack(packed) for packed in iter(lambda: self._ranges.read(_RANGE.size), b""))
        except (EOFError, OSError, zlib.error) as error:
            # Of a damaged gzip the service may have read a little further; a disk may be full.
            say(f"Not all refused lines could be written to {self.path}: {error}.")

    def _copy_lines(self, ranges: Iterator[tuple[int, int]]) -> None:
        first = next(ranges, None)
        if first is None:
            return
        source = self._origin.reopened()
        at = 1 + _copy_header(source, self._lines) if self._has_header else 1
        for begin, end in chain((first,), ranges):
            while at < begin and _pass_line(source, None):
                at += 1
            while at < end and _pass_line(source, self._lines):
                at += 1


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise Failed(f"--refused: {path} cannot be written: {error.strerror}.") from error


def _copy_header(source: IO[bytes], to: IO[bytes]) -> int:
    """The first line that is not blank; returns how many lines were read."""
    for number in count(1):
        piece = source.readline(_PIECE_BYTES)
        if not piece:
            return number - 1
        if piece.removeprefix(BOM_UTF8).strip():
            to.write(piece)
            if not piece.endswith(b"\n"):
                _pass_line(source, to)
            return number
    raise AssertionError


def _pass_line(source: IO[bytes], to: IO[bytes] | None) -> bool:
    """Reads a line of any length; False where there is none."""
    piece = found = source.readline(_PIECE_BYTES)
    while piece:
        if to is not None:
            to.write(piece)
        if piece.endswith(b"\n"):
            break
        piece = source.readline(_PIECE_BYTES)
    return bool(found)
