"""The driver of an import: lines in, chunks to the feature, result lines out as each chunk is there for good.

A thread of its own takes the lines apart while the chunks before are written. Where an import is long, processes of their own write them
(`crew.py`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from http import HTTPStatus
from typing import Any

import orjson

from app.core.errors import KehuError
from app.core.syncing import Outcome
from app.web import problems
from app.web.context import current_request_id
from app.web.problems import HttpProblem
from app.web.streams import chunks, stopping, turns
from app.web.streams.chunks import Errand, Written
from app.web.streams.conveyor import Conveyor
from app.web.streams.crew import Crew, Hand, Lost
from app.web.streams.lines import Apply, Line, Means, Position
from app.web.streams.turns import Forsaken, Turn

# An import that is asked to stop does so at the next of these moments.
_LOOK_SECONDS = 0.5

# For one alone a process is no faster.
_LONG_CHUNKS = 2


class Importing:
    """How one import is written and told; to be entered once."""

    def __init__(self, here: Means, crew: Crew, apply: Apply, *, report_all: bool) -> None:
        self._here = here
        self._crew = crew
        self._apply = apply
        self._report_all = report_all
        self.request_id = current_request_id()
        self._chunks = 0
        self._free: deque[Hand] = deque()

    def __enter__(self) -> Importing:
        return self

    def __exit__(self, *_: object) -> None:
        while self._free:
            self._free.pop().dismiss()

    def count(self) -> None:
        """Another chunk begins."""
        self._chunks += 1
        if self._chunks == _LONG_CHUNKS:
            self._free.extend(hand for _ in range(turns.CHUNKS) if (hand := self._crew.hire()) is not None)

    def write(self, lines: Sequence[Line], turn: Turn[Any]) -> Written:
        """As `chunks.write`. Called in threads."""
        errand = Errand(self._apply, lines, self.request_id, self._report_all)
        try:
            while (hand := self._free_hand()) is not None:
                try:
                    with suppress(Lost):
                        return hand.write(errand, turn)
                finally:
                    if hand.is_free:
                        self._free.append(hand)
                    else:
                        hand.dismiss()
            return chunks.write(self._here, errand, turn)
        finally:
            turn.close()

    def _free_hand(self) -> Hand | None:
        with suppress(IndexError):
            return self._free.popleft()
        return None


def run(lines: Iterable[Sequence[Line]], importing: Importing, position_text: Callable[[Position], str]) -> Iterator[bytes]:
    """The answer, in pieces of whole lines: results in the order of the lines, and at the end the summary.

    `lines` comes in blocks, as they arrive; where it ends early it raises Broken. Closing the iterator ends the reading too.
    """
    tally = _Tally()
    ended: KehuError | HttpProblem | None = None
    more = True
    with importing, Conveyor(lines) as conveyor, _Chunks(importing) as under_way:
        while more or not under_way.are_done:
            try:
                more = more and not stopping.process.requested and _fill(under_way, conveyor)
                written = under_way.next_written()
            except Forsaken:
                # The one before it said why.
                continue
            except Exception as error:  # noqa: BLE001  # whatever it is, the answer has begun, and has to say where it stopped
                ended = ended or chunks.meaning(error)
                more = False
            else:
                if written is not None:
                    tally.add(written)
                    if written.shown:
                        yield written.shown
        # Asked here, since leaving ends the reading too.
        if ended is None and stopping.process.requested and not conveyor.is_over:
            ended = HttpProblem(HTTPStatus.SERVICE_UNAVAILABLE, "server_stopping")
    if ended is None and conveyor.broken is not None:
        ended = conveyor.broken.problem
        if ended is None:
            # The client is gone: nobody is left to be told.
            return
    if ended is not None:
        # Of a damaged gzip every line is in doubt.
        line = 1 if ended.code == "gzip_damaged" else under_way.failed_at or conveyor.next_line
        yield _ended(ended, line, importing.request_id)
    yield tally.summary(position_text)


def _fill(under_way: _Chunks, conveyor: Conveyor) -> bool:
    """Put as many chunks under way as there may be; whether there can be more."""
    while under_way.has_place:
        chunk = conveyor.take(_LOOK_SECONDS if under_way.are_done else 0.0)
        if chunk is None:
            return False
        if not chunk:
            return True
        under_way.begin(chunk)
    return True


class _Chunks:
    """The chunks under way, each in a thread of its own; leaving waits for them."""

    def __init__(self, importing: Importing) -> None:
        self._importing = importing
        self._pool = ThreadPoolExecutor(turns.CHUNKS, thread_name_prefix="import-writer")
        self._under_way: deque[tuple[Sequence[Line], Future[Written]]] = deque()
        self._last: Turn[Any] | None = None
        # The first line of the first chunk that was not written; 0 where all were.
        self.failed_at = 0

    def __enter__(self) -> _Chunks:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    @property
    def has_place(self) -> bool:
        return len(self._under_way) < turns.CHUNKS

    @property
    def are_done(self) -> bool:
        return not self._under_way

    def begin(self, chunk: Sequence[Line]) -> None:
        turn: Turn[Any] = Turn(self._last)
        self._last = turn
        self._importing.count()
        try:
            # With what logs say of the request.
            writing = self._pool.submit(copy_context().run, self._importing.write, chunk, turn)
        except RuntimeError:
            # No thread to be had.
            self.failed_at = chunk[0].number
            raise
        self._under_way.append((chunk, writing))

    def next_written(self) -> Written | None:
        """The oldest chunk, once it is there for good; None where none is under way. Raises what kept it from being written."""
        if not self._under_way:
            return None
        chunk, writing = self._under_way.popleft()
        try:
            return writing.result()
        except Exception:
            # The oldest comes first, so that of those that failed the first one stands.
            self.failed_at = min(self.failed_at or chunk[0].number, chunk[0].number)
            raise


class _Tally:
    """What came of all lines so far."""

    def __init__(self) -> None:
        self.read = 0
        self.position: Position | None = None
        self.outcomes: Counter[Outcome] = Counter()

    def add(self, written: Written) -> None:
        self.read += written.outcomes.total()
        self.outcomes += written.outcomes
        # Of two chunks under way the later may have the earlier transaction: the place behind all of them is the greatest.
        if written.position is not None:
            self.position = max(written.position, self.position or written.position)

    def summary(self, position_text: Callable[[Position], str]) -> bytes:
        counts = {outcome.value: self.outcomes[outcome] for outcome in Outcome}
        position = None if self.position is None else position_text(self.position)
        return orjson.dumps({"summary": {"read": self.read, **counts, "position": position}}, option=orjson.OPT_APPEND_NEWLINE)


def _ended(error: KehuError | HttpProblem, line: int, request_id: str) -> bytes:
    error.data = {**error.data, "line": line}
    document = problems.document_of(error, request_id=request_id)
    shown = {"line": line, "outcome": "ended", "status": document["status"], "problem": document}
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z, default=str)
