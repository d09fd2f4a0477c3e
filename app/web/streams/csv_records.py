"""CSV (RFC 4180) as spreadsheets and shops write it: records, of which quoted cells may span lines, below a header."""

from __future__ import annotations

import csv
import re
from http import HTTPStatus
from typing import Any

import orjson

from app.core import limits
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.web.problems import HttpProblem
from app.web.streams import csv_header
from app.web.streams.columns import Columns
from app.web.streams.csv_header import Header
from app.web.streams.lines import Broken, Line
from app.web.streams.ndjson import too_long
from app.web.streams.safe_cells import unguarded
from app.web.streams.splitting import Splitter

# Any: JSON.

# Of the whole process, and 128 kB unless it is said: a cell may be as long as a line.
csv.field_size_limit(limits.LINE_MAX_BYTES + 1)


class CsvParser:
    """Bytes in, a line for each record out.

    A record beyond the limit is one problem, and reading goes on behind its end: what stands in its cells, which anybody may have written,
    must never be taken for records. Where a quotation mark is not closed by the end of the file, and the limit was not reached, the lines
    that it swallowed are read as records of one line each.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._splitter = Splitter()
        self._header: Header | None = None
        self._complete = re.compile(b"")
        # The lines of a record whose quotation mark is not closed yet, and how many bytes they have.
        self._open: list[bytes] = []
        self._open_at = 0
        self._open_bytes = 0
        # It is too long, and was said to be.
        self._is_skipping = False

    @property
    def next_line(self) -> int:
        """The first line that was not given out."""
        return self._open_at if self._open else self._splitter.number

    @property
    def has_header(self) -> bool:
        return self._header is not None

    def feed(self, piece: bytes) -> list[Line]:
        """Raises Invalid for the header."""
        number = self._splitter.number
        return self._taken(self._splitter.feed(piece), number)

    def finish(self) -> list[Line]:
        """Raises Invalid for the header, or where there is none; Broken where a record that is too long has no end."""
        number = self._splitter.number
        lines = self._taken(self._splitter.finish(), number)
        if self._header is None:
            csv_header.parse(b"", self._columns)
        if self._is_skipping:
            raise Broken(HttpProblem(HTTPStatus.BAD_REQUEST, "quote_not_closed"))
        if self._open:
            self._give_up(lines)
        return lines

    def _taken(self, found: list[bytes | None], number: int) -> list[Line]:
        lines: list[Line] = []
        for at, raw in enumerate(found, number):
            if self._open:
                self._go_on(at, raw, lines)
            elif raw is None:
                if self._header is None:
                    csv_header.parse(b"", self._columns)
                lines.append(too_long(at))
            elif raw.strip():
                self._begin(at, raw, lines)
        return lines

    def _begin(self, number: int, raw: bytes, lines: list[Line]) -> None:
        if self._header is None:
            self._header = csv_header.parse(raw.removesuffix(b"\r"), self._columns)
            self._complete = _complete_record(self._header.separator)
        elif self._stays_open(raw, inside=False):
            self._open, self._open_at, self._open_bytes = [raw], number, len(raw)
        else:
            self._add(number, raw, lines)

    def _go_on(self, number: int, raw: bytes | None, lines: list[Line]) -> None:
        if raw is None:
            # A line that was not kept: that the cell goes on is the guess by which none of its text is taken for a record.
            self._skip(False, lines)
            return
        closed = not self._stays_open(raw, inside=True)
        self._open_bytes += len(raw) + 1
        if self._open_bytes > limits.LINE_MAX_BYTES:
            self._skip(closed, lines)
            return
        self._open.append(raw)
        if closed:
            record, self._open = b"\n".join(self._open), []
            self._add(self._open_at, record, lines)

    def _skip(self, closed: bool, lines: list[Line]) -> None:
        """Go on to the end of a record that is too long: what stands in its cells must never be taken for records."""
        if not self._is_skipping:
            lines.append(too_long(self._open_at))
        self._is_skipping = not closed
        self._open = [] if closed else [b""]

    def _give_up(self, lines: list[Line]) -> None:
        swallowed, self._open = self._open, []
        lines.append(_unclosed(self._open_at))
        for number, raw in enumerate(swallowed[1:], self._open_at + 1):
            if self._stays_open(raw, inside=False):
                lines.append(_unclosed(number))
            elif raw.strip():
                self._add(number, raw, lines)

    def _stays_open(self, raw: bytes, *, inside: bool) -> bool:
        """Whether a quoted cell is open at the end of `raw`, which begins inside of one or at the beginning of a record."""
        assert self._header is not None
        if b'"' not in raw:
            return inside
        if not inside and self._complete.match(raw.removesuffix(b"\r")):
            return False
        opening = self._header.separator.encode() + b'"'
        at = 0
        if not inside and raw.startswith(b'"'):
            inside, at = True, 1
        while True:
            found = raw.find(b'"' if inside else opening, at)
            if found < 0:
                return inside
            if not inside:
                inside, at = True, found + 2
            elif raw[found + 1 : found + 2] == b'"':
                at = found + 2
            else:
                inside, at = False, found + 1

    def _add(self, number: int, raw: bytes, lines: list[Line]) -> None:
        assert self._header is not None
        try:
            text = raw.removesuffix(b"\r").decode()
            cells = _cells(text, self._header.separator)
        except UnicodeDecodeError:
            lines.append(_malformed(number, raw, "it is not UTF-8"))
            return
        except csv.Error as error:
            lines.append(_malformed(number, raw, f"it is not CSV: {error}"))
            return
        if any(cells):
            lines.append(_line(number, cells, self._header))


def _complete_record(separator: str) -> re.Pattern[bytes]:
    """Matches nearly every record of one line; possessive, so that it never tries anything twice."""
    apart = re.escape(separator.encode())
    cell = rb'(?:"(?:[^"]++|"")*+"|[^"%s]*+)' % apart
    return re.compile(rb"%s(?:%s%s)*+\Z" % (cell, apart, cell), re.DOTALL)


def _cells(text: str, separator: str) -> list[str]:
    if '"' not in text:
        return text.split(separator)
    return next(csv.reader([text], delimiter=separator, strict=True))


def _line(number: int, cells: list[str], header: Header) -> Line:
    raw = orjson.dumps([header.names, cells])
    if len(cells) != len(header.names):
        detail = f"The header has {len(header.names)} columns, and this record has {len(cells)} cells."
        return Line(number, None, raw, Invalid([FieldFault("", "wrong_count", detail)]))
    data: dict[str, Any] = {}
    faults = []
    for name, put, cell in zip(header.names, header.puts, cells, strict=True):
        if not cell:
            continue
        try:
            put(data, unguarded(cell))
        except Fault as fault:
            faults.append(FieldFault("/" + name.replace("~", "~0").replace("/", "~1").replace(".", "/", 1), fault.code, fault.detail))
    return Line(number, None, raw, Invalid(faults)) if faults else Line(number, data, raw)


def _malformed(number: int, raw: bytes, reason: str) -> Line:
    return Line(number, None, raw, HttpProblem(HTTPStatus.BAD_REQUEST, "malformed_line", reason=reason))


def _unclosed(number: int) -> Line:
    return _malformed(number, b"", "a quotation mark is not closed")
