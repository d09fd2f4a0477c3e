"""What comes and goes by the thousand: batches, imports, exports. In rows a second."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson

from bench import memory
from bench.floors import bulk as floors
from bench.floors.bulk import Rows, Staged
from bench.load import LoadError
from bench.people import people
from bench.run import Run

_BATCH = 1000
_BATCH_SECONDS = 4
_PARTS = 5
_ALONE = "against their rows alone"
_WHOLE = "against all that is written"

# Any: JSON.


def batch(run: Run) -> None:
    """New customers, a thousand a call."""
    with run.store.connect() as connection:
        pool = [floors.customers(list(islice(people(_BATCH * 4, seed=9), first, first + _BATCH))) for first in range(0, _BATCH * 4, _BATCH)]
        rows = cycle(pool)

        def floor(stage: Callable[[Rows, Sequence[str]], list[Staged]]) -> float:
            seconds = 0.0
            written = 0
            while seconds < run.seconds:
                seconds += floors.write(connection, stage(next(rows), floors.fresh_ids(_BATCH)))
                written += _BATCH
            return written / seconds

        load = run.loads["batch"]
        seconds = max(_BATCH_SECONDS, run.seconds)
        load.run(run.service.port, connections=1, seconds=seconds)
        for told, stage, aim in ((_ALONE, floors.customers_alone, 0.40), (_WHOLE, floors.customers_whole, None)):
            ours, theirs = run.in_turn(partial(load.run, run.service.port, connections=1, seconds=seconds), partial(floor, stage))
            rates = [one.rate * _BATCH for one in ours]
            middle = sorted(ours, key=lambda one: one.rate)[len(ours) // 2]
            times = (f"{middle.p50:.0f}", f"{middle.p99:.0f}")
            name = f"batch of 1,000 upserts, {told}"
            run.table.rates(name, rates, theirs, unit="rows", times=times, aim=aim, megabytes=run.service.resident_mb())


def import_customers(run: Run) -> None:
    """New ones, and the same file again; the floor before, between and after."""
    count = 10_000 if run.quick else 100_000
    file = run.file("people.ndjson")
    _write(file, people(count))
    rows = floors.customers(people(count))
    with run.store.connect() as connection, memory.watched(run.service) as curve:
        first, again, whole = [], [], []

        def floor() -> None:
            ids = floors.fresh_ids(count)
            alone = floors.customers_alone(rows, ids)
            first.append(count / floors.write(connection, alone))
            again.append(count / floors.write(connection, alone))
            whole.append(count / floors.write(connection, floors.customers_whole(rows, floors.fresh_ids(count))))

        floor()
        new = _sent(run, file, "/v1/customers/import", count, "created")
        floor()
        same = _sent(run, file, "/v1/customers/import", count, "unchanged")
        floor()
    told = f"import of {count:,} customers"
    run.table.rates(f"{told}: first time, {_ALONE}", [new], first, unit="rows", aim=0.45, megabytes=curve.most)
    run.table.rates(f"{told}: first time, {_WHOLE}", [new], whole, unit="rows", megabytes=curve.most)
    run.table.rates(f"{told}: unchanged, {_ALONE}", [same], again, unit="rows", aim=0.60, megabytes=curve.most)
    run.table.notes.append(f"{told}: the service's memory grew by {curve.growth:.0f} MB over both.")


def import_entries(run: Run) -> None:
    """In five parts, and as many floors in between: one that takes a minute and a half meets another machine than a floor before it."""
    count = 20_000 if run.quick else 500_000
    part = count // _PARTS
    file = run.file("entries.ndjson")
    with run.store.connect() as connection:
        # Not those whom other paths have made, who have no such id.
        known = connection.execute(
            "SELECT external_ids->>'bench', id::text FROM customers WHERE deleted_at IS NULL AND external_ids ? 'bench'"
        ).fetchall()
        numbers = dict(known)
        lines = _entries(count, list(numbers))
        # Half a part for the floor: it goes on at the same pace, and its rows have to be held in memory.
        some = list(_entries(part // 2, list(numbers), seed=6))
        holders = [numbers[line["customer"]["external_id"]] for line in some]
        rows = floors.entries(some, holders)

        def ours() -> float:
            _write(file, islice(lines, part))
            return _sent(run, file, "/v1/contact-history/import", part, "created")

        def floor() -> tuple[float, float]:
            alone = floors.entries_alone(rows, floors.fresh_ids(len(some)))
            whole = floors.entries_whole(rows, floors.fresh_ids(len(some)), holders)
            return len(some) / floors.write(connection, alone), len(some) / floors.write(connection, whole)

        with memory.watched(run.service) as curve:
            # Neither ours nor the floor is to have all of what the first rows of a table meet.
            floor()
            rates, bounds = run.in_turn(ours, floor, rounds=_PARTS)
    told = f"import of {count:,} interactions in {_PARTS} parts"
    alone, whole = zip(*bounds, strict=True)
    run.table.rates(f"{told}, {_ALONE}", rates, alone, unit="rows", aim=0.40, megabytes=curve.most)
    run.table.rates(f"{told}, {_WHOLE}", rates, whole, unit="rows", megabytes=curve.most)


def export(run: Run) -> None:
    with run.store.connect() as connection, memory.watched(run.service) as curve:

        def floor() -> float:
            rows, seconds = floors.export(connection)
            return rows / seconds

        def ours() -> float:
            began = time.monotonic()
            _curl(run, "/v1/customers/export", "--header", "Accept: application/x-ndjson", "--output", str(run.file("export.ndjson")))
            seconds = time.monotonic() - began
            with run.file("export.ndjson").open("rb") as lines:
                return sum(1 for _ in lines) / seconds

        rates, bounds = run.in_turn(ours, floor)
    run.table.rates("export of all customers as NDJSON", rates, bounds, unit="rows", aim=0.50, megabytes=curve.most)
    run.table.notes.append(f"export: the service's memory grew by {curve.growth:.0f} MB from the first to the last.")


def _entries(count: int, numbers: Sequence[str], seed: int = 5) -> Iterator[dict[str, Any]]:
    dice = random.Random(seed)
    last = datetime.now(UTC).replace(microsecond=0)
    for number in range(count):
        order = dice.random() < 0.5
        yield {
            "source": "load",
            "external_id": f"{seed}-{number}",
            "customer": {"source": "bench", "external_id": dice.choice(numbers)},
            "kind": "order" if order else "call",
            "channel": "web" if order else "phone",
            "direction": "inbound",
            "occurred_at": (last - timedelta(seconds=dice.randrange(60_000_000))).isoformat(),
            **({"amount": f"{dice.randrange(1, 100000) / 100:.2f}", "currency": "CNY"} if order else {"subject": "Delivery"}),
        }


def _write(file: Path, lines: Iterable[dict[str, Any]]) -> None:
    with file.open("wb") as out:
        for line in lines:
            out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _sent(run: Run, file: Path, path: str, count: int, outcome: str) -> float:
    """Rows a second of an import by curl. Raises LoadError where not every line had this outcome."""
    began = time.monotonic()
    answer = _curl(
        run, f"{path}?report=errors", "--request", "POST", "--header", "Content-Type: application/x-ndjson", "--upload-file", str(file)
    )
    seconds = time.monotonic() - began
    lines = answer.strip().splitlines()
    summary = orjson.loads(lines[-1]).get("summary", {}) if lines else {}
    if summary.get(outcome) != count:
        raise LoadError(f"{path}: not {count} {outcome}: {b' .. '.join(dict.fromkeys(line[:500] for line in (lines[:1] + lines[-1:])))!r}")
    return count / seconds


def _curl(run: Run, path: str, *more: str) -> bytes:
    address = f"http://127.0.0.1:{run.service.port}{path}"
    asked = ["curl", "--silent", "--show-error", "--fail-with-body", "--header", f"Authorization: Bearer {run.token}", *more, address]
    done = subprocess.run(asked, capture_output=True, check=False)
    if done.returncode:
        raise LoadError(f"{path}: {(done.stderr or done.stdout).decode()[:500]}")
    return done.stdout
