"""A million customers against 200,000: what is asked for by key or by page must not care."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from bench import processes, requests
from bench.data import store
from bench.load import Load
from bench.run import Run

_NAMES = {
    "get": "GET one customer",
    "list": "page of 50, sorted, one filter",
    "put_changed": "PUT by external id: changed",
    "batch": "batch",
}
_AIM = 1 / 1.15
# A batch takes its time.
_SECONDS = 2


def measure(run: Run) -> None:
    """`run` is of the larger scale."""
    with ExitStack() as stack:
        small = stack.enter_context(store.opened(1))
        with small.connect() as connection:
            files = requests.prepare(connection, small.home)
        token = processes.token(small)
        service = stack.enter_context(processes.service(small))
        for name, told in _NAMES.items():
            large_load, small_load = run.loads[name], Load(files[name], token)
            for load, process in ((large_load, run.service), (small_load, service)):
                load.run(process.port, connections=1, seconds=_SECONDS)
            ours, theirs = run.in_turn(
                partial(large_load.run, run.service.port, connections=1, seconds=max(_SECONDS, run.seconds)),
                partial(small_load.run, service.port, connections=1, seconds=max(_SECONDS, run.seconds)),
            )
            run.table.served(f"{told}: at this scale, against SCALE=1", 1, ours, theirs, aim=_AIM, megabytes=run.service.resident_mb())
