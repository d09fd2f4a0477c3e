"""Deciding in units; where a statement fails, again without the segments whose rule is at fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from app.db import failures, unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.segments import evaluation
from app.segments.worker.failing import Undecided
from app.segments.worker.known import Known
from app.segments.worker.lanes import STEP_SECONDS

T = TypeVar("T")

_TRY = "SET LOCAL statement_timeout = '5s'"


def run(database: Database, known: Known, work: Callable[[UnitOfWork], T]) -> T:
    """What `work` returns, which reads the definitions from `known`. Raises as a unit does, and Undecided where no segment is at fault."""
    while True:
        try:
            return unit_of_work.run(database, time.monotonic() + STEP_SECONDS, work)
        except Undecided as undecided:
            if not _pass_over_failing(database, known, undecided):
                raise


def _pass_over_failing(database: Database, known: Known, undecided: Undecided) -> bool:
    """Whether there was one. Each is asked alone, under no lock of a lane."""
    with database.lease(time.monotonic() + STEP_SECONDS) as db:
        rules = known.read(db)
    found = False
    for segment in rules.dynamic.values():
        try:
            with database.snapshot() as snapshot:
                snapshot.run(_TRY)
                with snapshot.watched():
                    evaluation.memberships(snapshot.connection, undecided.customers, [segment], rules.meanings, undecided.now)
        except failures.DATABASE_ERRORS as error:
            if not failures.is_of_statement(error):
                raise
            known.failing.note(segment.id, error)
            found = True
    return found
