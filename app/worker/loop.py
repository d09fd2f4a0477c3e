"""Runs jobs, each in a thread of its own, until somebody says stop; what goes wrong is tried again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.core import logs

_log = logs.get(__name__)

# Between two tries of a job that fails: ever slower, and never all at once.
_FIRST_PAUSE = 0.5
_LAST_PAUSE = 5.0
# From SIGTERM on, until a step that does not end is left to the database to roll back.
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """`run` does one step, and says whether there is more to be done at once; otherwise it is asked again after `every` seconds."""

    name: str
    run: Callable[[], bool]
    every: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Whether it is time to end; what runs a transaction finishes it first."""

    event: threading.Event

    def is_over(self) -> bool:
        return self.event.is_set()

    def pause(self, seconds: float) -> bool:
        """Waits so long, or until the end is near; whether it is."""
        return self.event.wait(seconds)


def run(jobs: Sequence[Job], stop: Stop) -> None:
    """Returns when `stop` is set and every job has finished its step."""
    threads = [threading.Thread(target=_repeat, args=(job, stop), name=job.name, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    stop.event.wait()
    until = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _repeat(job: Job, stop: Stop) -> None:
    failed = 0
    while not stop.is_over():
        try:
            has_more = job.run()
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody else would say so, and the next try may do better
            failed += 1
            if failed == 1:
                _log.warning("job_failing", job=job.name, exc_info=error)
            stop.pause(min(_LAST_PAUSE, _FIRST_PAUSE * 2 ** min(failed - 1, 10)) * random.uniform(0.5, 1))
            continue
        if failed:
            _log.info("job_recovered", job=job.name, failed=failed)
            failed = 0
        if not has_more:
            stop.pause(job.every)
