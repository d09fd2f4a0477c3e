"""A JSON object a line."""

from __future__ import annotations

from http import HTTPStatus

from app.core import limits
from app.core.errors import FieldFault, Invalid
from app.web import gate
from app.web.problems import HttpProblem
from app.web.streams.lines import Line
from app.web.streams.splitting import Splitter


def too_long(number: int) -> Line:
    fault = HttpProblem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "line_too_long", max_bytes=limits.LINE_MAX_BYTES)
    return Line(number, None, b"", fault)


class NdjsonParser:
    """Bytes in, lines out, which are yet to be read."""

    def __init__(self) -> None:
        self._splitter = Splitter()

    @property
    def next_line(self) -> int:
        """The first line that was not given out."""
        return self._splitter.number

    def feed(self, piece: bytes) -> list[Line]:
        number = self._splitter.number
        return _lines(self._splitter.feed(piece), number)

    def finish(self) -> list[Line]:
        number = self._splitter.number
        return _lines(self._splitter.finish(), number)


def read(line: Line) -> Line:
    """With what stands in the line, or what is wrong with it."""
    try:
        value = gate.parse(line.raw)
    except HttpProblem as problem:
        return line._replace(fault=problem)
    if not isinstance(value, dict):
        return line._replace(fault=Invalid([FieldFault("", "not_an_object", "A line has to be a JSON object.")]))
    return Line(line.number, value, line.raw)


def _lines(found: list[bytes | None], number: int) -> list[Line]:
    lines = []
    for at, raw in enumerate(found, number):
        if raw is None:
            lines.append(too_long(at))
        elif raw := raw.strip():
            lines.append(Line(at, None, raw))
    return lines
