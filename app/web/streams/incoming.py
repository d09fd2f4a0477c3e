"""A body of any length as blocks of lines, in the pace in which it arrives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus

from flask import Request

from app.web.problems import HttpProblem
from app.web.streams import encoding, negotiation
from app.web.streams.arriving import READ_BYTES, Arriving
from app.web.streams.columns import Columns
from app.web.streams.csv_records import CsvParser
from app.web.streams.lines import Broken, Line
from app.web.streams.ndjson import NdjsonParser
from app.web.streams.negotiation import Kind
from app.web.streams.unzipping import unzipped

# Of a body that comes slowly more than the first line is waited for, to judge its encoding by: not for longer than that.
_HEAD_SECONDS = 0.3


class Incoming:
    """Iterates over what is read, some lines at a time. Raises Broken where the body ends before its end."""

    def __init__(self, arriving: Arriving, pieces: Iterator[bytes], parser: NdjsonParser | CsvParser, begun: Sequence[Line]) -> None:
        self._arriving = arriving
        self._pieces = pieces
        self._parser = parser
        self._begun = begun

    @property
    def next_line(self) -> int:
        """The first line that was not given out."""
        return self._parser.next_line

    def __iter__(self) -> Iterator[Sequence[Line]]:
        yield self._begun
        for piece in self._pieces:
            yield self._parser.feed(piece)
        yield self._parser.finish()

    def stop(self) -> None:
        """End an iteration that waits for the client, from another thread."""
        self._arriving.stop()

    def close(self) -> None:
        """Nothing more will be read."""
        self._arriving.close()


def begin(request: Request, kind: Kind, columns: Columns, *, seconds: float) -> Incoming:
    """Reads so much that the answer can begin. Raises 408, 400, 415, and Invalid where the columns are not to be taken."""
    arriving = Arriving(request, seconds=seconds)
    pieces = arriving.pieces()
    if negotiation.is_compressed(request):
        pieces = unzipped(pieces)
    parser = CsvParser(columns) if kind is Kind.CSV else NdjsonParser()
    try:
        head, pieces = _head(arriving, pieces)
        begun = parser.feed(encoding.checked(head))
        # A header that is longer than that, or the end.
        while isinstance(parser, CsvParser) and not parser.has_header:
            piece = next(pieces, None)
            begun += parser.finish() if piece is None else parser.feed(piece)
    except Broken as broken:
        raise _before_the_answer(broken) from broken
    return Incoming(arriving, pieces, parser, begun)


def _head(arriving: Arriving, pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The beginning, and what comes behind it. Raises Broken where there is no beginning."""
    head = b""
    until = None
    try:
        for piece in pieces:
            head += piece
            if until is None and b"\n" in head:
                until = time.monotonic() + _HEAD_SECONDS
            if len(head) >= READ_BYTES or (until is not None and not arriving.wait(until - time.monotonic())):
                break
    except Broken as broken:
        if not head or broken.problem is None:
            raise
        # What came before is whole and counts.
        return head, _raising(broken)
    return head, pieces


def _raising(broken: Broken) -> Iterator[bytes]:
    yield from ()
    raise broken


def _before_the_answer(broken: Broken) -> HttpProblem:
    if broken.problem is None:
        return HttpProblem(HTTPStatus.BAD_REQUEST, "bad_request")
    broken.problem.data["line"] = 1
    return broken.problem
