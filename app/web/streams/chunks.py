"""One chunk of an import: its lines read, written by the feature that they are for, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from app.core import logs
from app.core.errors import KehuError
from app.core.syncing import Outcome
from app.db import failures
from app.web import problems
from app.web.problems import HttpProblem
from app.web.streams import ndjson
from app.web.streams.lines import Applied, Apply, Line, LineResult, Means, Position
from app.web.streams.turns import Turn

_log = logs.get(__name__)

_NUMBER = attrgetter("number")


class Written(NamedTuple):
    """What became of a chunk that is there for good."""

    outcomes: Counter[Outcome]
    # Of its last event; None where nothing was written.
    position: Position | None
    # The lines of the answer, as far as they are asked for.
    shown: bytes


class Errand(NamedTuple):
    """A chunk and what is to be done with it; to be sent from one process to another."""

    apply: Apply
    lines: Sequence[Line]
    request_id: str
    report_all: bool


def write(here: Means, errand: Errand, turn: Turn[Any]) -> Written:
    """Raises what `Apply` does. Lines that cannot be read are no business of the feature's."""
    lines = [ndjson.read(line) if line.data is None and line.fault is None else line for line in errand.lines]
    refused = [_refused(line, errand.request_id) for line in lines if line.fault is not None]
    whole = [line for line in lines if line.fault is None] if refused else lines
    if whole:
        applied = errand.apply(here, whole, turn, report_all=errand.report_all)
    else:
        turn.wait()
        turn.leave(None)
        applied = Applied(Counter(), (), None)
    outcomes, results, position = applied
    if refused:
        results = sorted((*refused, *results), key=_NUMBER)
        outcomes = outcomes + Counter({Outcome.FAILED: len(refused)})
    return Written(outcomes, position, b"".join(map(_shown, results)))


def meaning(error: Exception) -> KehuError | HttpProblem:
    """What a caller is told where a chunk could not be written, and a line in the log where that does not say it all."""
    if isinstance(error, (KehuError, HttpProblem)):
        return error
    if isinstance(error, failures.DATABASE_ERRORS) and (told := failures.meaning(error, narrowable=False)) is not None:
        problems.tell_database_failure(error, told)
        return told
    _log.error("unhandled", exc_info=error)
    return HttpProblem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal")


def _refused(line: Line, request_id: str) -> LineResult:
    assert line.fault is not None
    document = problems.document_of(line.fault, request_id=request_id)
    return LineResult(line.number, Outcome.FAILED, document["status"], problem=document)


def _shown(result: LineResult) -> bytes:
    shown = {
        "line": result.number,
        "outcome": result.outcome,
        "status": result.status,
        "source": result.source,
        "external_id": result.external_id,
        "id": result.id,
        "version": result.version,
    }
    if result.problem is not None:
        shown["problem"] = result.problem
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
