"""What each service gives the worker to do."""

from __future__ import annotations

import dataclasses

from app.attributes import indexing
from app.config import Config
from app.db.engines import Database
from app.rules.catalogue import Catalogue
from app.segments.worker import lanes
from app.segments.worker.clearing import Clearer
from app.segments.worker.filling import Filler
from app.segments.worker.following import Follower
from app.segments.worker.known import Known
from app.segments.worker.sweeping import Sweeper
from app.worker.loop import Job, Stop

# Nobody waits for the worker as for an answer: a step may take longer than a request.
_STATEMENT_SECONDS = 30.0
_IDLE_SECONDS = 180.0
_LOCK_SECONDS = 10.0
# One for each job, and those of a fill: its claim, its snapshot and its writes.
_CONNECTIONS = 8


def settings(config: Config) -> Config:
    """Those of the service, but for what suits the worker's own connections."""
    return dataclasses.replace(
        config,
        threads=_CONNECTIONS,
        lock_timeout=_LOCK_SECONDS,
        statement_timeout=_STATEMENT_SECONDS,
        request_deadline=_IDLE_SECONDS,
    )


def jobs(database: Database, config: Config, url: str, names: Catalogue, stop: Stop) -> list[Job]:
    """`names` is what rules about customers may name, segments among them."""
    known = Known(names)
    clock = lanes.database_clock
    return [
        Job("segments_follow", Follower(database, known, clock).follow, every=0.25),
        # What turns by time is told within a minute.
        Job("segments_sweep", Sweeper(database, known, clock, stop.is_over).sweep, every=15.0),
        Job("segments_fill", Filler(database, known, clock, stop.pause).fill, every=1.0),
        Job("segments_clear", Clearer(database, stop.is_over).clear, every=60.0),
        Job("attribute_indexes", lambda: _reconcile(url, config), every=300.0),
    ]


def _reconcile(url: str, config: Config) -> bool:
    indexing.reconcile(url, config)
    return False
