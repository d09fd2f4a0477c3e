"""What is asked by one request at a time: each path against its floor, over one connection and over sixteen."""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from werkzeug.routing import Map, Rule

from bench import processes
from bench.floors import reads, writes
from bench.floors.floor import Floor, connect
from bench.load import Load, LoadError, Measured, Request, write_requests
from bench.processes import Process
from bench.run import Run

CONNECTIONS = (1, 16)
_LOOP_SECONDS = 0.5
_DEEP = 2000
# The oldest first: the newest are those that the paths before have made, without metrics, and half as long to write.
_LIST = "/v1/customers?sort=created_at"
_FLOORS: dict[str, Floor] = {**reads.FLOORS, **writes.FLOORS}


@dataclass(frozen=True)
class Path:
    name: str
    told: str
    aim: float | None


PATHS = (
    Path("get", "GET one customer", 0.60),
    Path("get_304", "the same with If-None-Match: 304", 0.75),
    Path("list", "page of 50, sorted, one filter", 0.60),
    Path("timeline", "timeline, page of 50", 0.60),
    Path("timeline_json", "the same, against JSON made by PostgreSQL", None),
    Path("feed", "feed, page of 1,000", 0.50),
    Path("create", "POST create, keyed", 0.50),
    Path("patch", "PATCH, keyed, If-Match", 0.50),
    Path("put_unchanged", "PUT by external id: unchanged", 0.60),
    Path("put_changed", "PUT by external id: changed", 0.50),
    Path("put_new", "PUT by external id: new", 0.50),
)


@dataclass(frozen=True)
class Rates:
    """Requests a second, by the number of connections; what grows with them grows as the floor does."""

    ours: dict[int, float]
    floor: dict[int, float]


class FloorTimes:
    """Whether the floors are floors: no slower than a bare loop of psycopg's by more than a bare Flask."""

    def __init__(self, run: Run, bare: Process) -> None:
        self._run = run
        self._bare = bare
        self._rows: list[tuple[str, ...]] = []

    def add(self, path: Path, served: Process) -> None:
        """Measured in turn, the three of them: the speed of the machine must not be what differs."""
        run, floor = self._run, _FLOORS[path.name]
        times = []
        for _ in range(max(1, run.rounds // 2)):
            loop = _loop(run, floor, path.name)
            by_flask = 1e6 / _measured(run.loads[path.name], served, connections=1, seconds=1).rate
            constant = 1e6 / _measured(run.loads["get"], self._bare, connections=1, seconds=1).rate
            times.append((loop, by_flask, constant, by_flask - loop - constant))
        middle = [statistics.median(column) for column in zip(*times, strict=True)]
        self._rows.append((path.told, str(floor.round_trips), *(f"{time:,.0f}" for time in middle)))

    def tell(self) -> None:
        if not self._rows:
            return
        table = self._run.table
        print(
            "\nThe floors, us a request: as a loop of psycopg's, served by Flask, a Flask that answers a constant, and what is left over.\n"
        )
        table.row("floor", "round trips", "loop", "served", "bare Flask", "left over")
        table.row("---", *["---:"] * 5)
        for row in self._rows:
            table.row(*row)


def measure(run: Run, path: Path, floors: FloorTimes) -> Rates:
    """Print a row for each number of connections."""
    load = run.loads[path.name]
    found = Rates({}, {})
    with processes.floor(run.store, path.name) as floor:
        _check(run, path, floor)
        for connections in CONNECTIONS:
            for process in (run.service, floor):
                _measured(load, process, connections=connections, seconds=1)
            ours, theirs = run.in_turn(
                partial(_measured, load, run.service, connections=connections, seconds=run.seconds),
                partial(_measured, load, floor, connections=connections, seconds=run.seconds),
            )
            run.table.served(path.told, connections, ours, theirs, aim=path.aim, megabytes=run.service.resident_mb())
            found.ours[connections], found.floor[connections] = (_median(rounds) for rounds in (ours, theirs))
        floors.add(path, floor)
    return found


def growth(run: Run, path: Path, two: Rates) -> None:
    """How throughput grows from one process to two, and from one connection to sixteen: the service's growth against the floor's."""
    load = run.loads[path.name]
    with (
        processes.service(run.store, workers=1) as service,
        processes.floor(run.store, path.name, workers=1) as floor,
    ):
        for process in (service, floor):
            _measured(load, process, connections=16, seconds=1)
        ours, theirs = run.in_turn(
            partial(_measured, load, service, connections=16, seconds=run.seconds),
            partial(_measured, load, floor, connections=16, seconds=run.seconds),
        )
    grown = ((two.ours[16] / _median(ours), two.floor[16] / _median(theirs)), (two.ours[16] / two.ours[1], two.floor[16] / two.floor[1]))
    for told, (own, bound) in zip(("2 processes against 1", "16 connections against 1"), grown, strict=True):
        run.table.row(f"{path.told}: {told}", "16", "times", f"{own:.2f}", "", "", f"{bound:.2f}", f"{own / bound:.2f}", "", "")


def deep_page(run: Run) -> None:
    """Page number 2,000 by cursor against page 1, both of the service."""
    cursor = None
    for _ in range(_DEEP * 50 // 200):
        cursor = _page(run, f"{_LIST}&limit=200&fields=id" + (f"&cursor={cursor}" if cursor else ""))["next_cursor"]
    loads = {}
    for name, path in (("page_1", _LIST), ("page_2000", f"{_LIST}&cursor={cursor}")):
        loads[name] = Load(run.file(f"{name}.requests"), run.token)
        write_requests(loads[name].file, [Request("GET", path)])
    for connections in CONNECTIONS:
        ours, theirs = run.in_turn(
            partial(_measured, loads["page_2000"], run.service, connections=connections, seconds=run.seconds),
            partial(_measured, loads["page_1"], run.service, connections=connections, seconds=run.seconds),
        )
        told = f"page {_DEEP:,} by cursor, against page 1"
        run.table.served(told, connections, ours, theirs, aim=0.95, megabytes=run.service.resident_mb())


def _page(run: Run, path: str) -> dict[str, Any]:
    asked = urllib.request.Request(f"http://127.0.0.1:{run.service.port}{path}", headers={"Authorization": f"Bearer {run.token}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        found: dict[str, Any] = orjson.loads(answer.read())
        return found


def _measured(load: Load, process: Process, *, connections: int, seconds: float) -> Measured:
    return load.run(process.port, connections=connections, seconds=seconds)


def _median(rounds: list[Measured]) -> float:
    rates = sorted(one.rate for one in rounds)
    return rates[len(rates) // 2]


def _check(run: Run, path: Path, floor: Process) -> None:
    """The first request by hand: both answer what the floor says, so that no error is measured."""
    wanted = _FLOORS[path.name].status
    for process in (run.service, floor):
        method, target, more, body = run.loads[path.name].take(1)[0]
        asked = urllib.request.Request(f"http://127.0.0.1:{process.port}{target}", data=body.encode() or None, method=method)
        asked.add_header("Authorization", f"Bearer {run.token}")
        asked.add_header("Content-Type", "application/json")
        for header in filter(None, more.split("|")):
            asked.add_header(*header.split(": ", 1))
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        if status != wanted:
            raise LoadError(f"{path.told}: {status} instead of {wanted} from port {process.port}")


def _loop(run: Run, floor: Floor, name: str) -> float:
    """Microseconds a call, without Flask and HTTP."""
    known = Map([Rule(floor.rule, endpoint="floor")]).bind("bench")
    calls = []
    for _, target, _, body in run.loads[name].take(300):
        where, _, query = target.partition("?")
        _, parts = known.match(where)
        calls.append(({**parts, **dict(pair.split("=") for pair in query.split("&") if pair)}, body.encode()))
    with connect(run.store.plain) as connection:
        floor.answer(connection, *calls.pop())
        began = time.perf_counter()
        done = 0
        for given, sent in calls:
            floor.answer(connection, given, sent)
            done += 1
            if time.perf_counter() - began > _LOOP_SECONDS:
                break
        return (time.perf_counter() - began) / done * 1e6
