"""`make bench`: every path of the service against its floor, in one table. `SCALE=5` for a million customers instead of 200,000."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping

from bench import bulk, load, processes, requests, scales, segments, served
from bench.data import store
from bench.load import Load, LoadError, Numbers
from bench.run import Run
from bench.table import Table

# In this order: what reads comes before what writes, and what makes the tables grow by much comes last.
_PATHS = {path.name: path for path in served.PATHS}
_OTHERS: Mapping[str, Callable[[Run], None]] = {
    "page_2000": served.deep_page,
    "segments": segments.measure,
    "batch": bulk.batch,
    "scales": scales.measure,
    "export": bulk.export,
    "import_customers": bulk.import_customers,
    "import_entries": bulk.import_entries,
}
_PROCESSES = "processes"
_SCALES = "scales"
_NAMES = (*_PATHS, *_OTHERS, _PROCESSES)
# Pages of a megabyte: sixteen at once are more than the service takes on a slow machine.
_REFUSED = {"feed": 0.9}
# Those whose growth is told.
_GROWING = ("get", "list")


def main() -> None:
    asked = _arguments()
    load.need_wrk()
    scale = int(os.environ.get("SCALE", "1"))
    began = time.monotonic()
    with store.opened(scale) as kept:
        _told(kept, scale)
        every = tuple(name for name in _NAMES if name != _SCALES or scale > 1)
        measure(kept, asked.only or every, quick=asked.quick)
    print(f"\n{time.monotonic() - began:.0f} s in all.")


def measure(kept: store.Store, names: tuple[str, ...], *, quick: bool) -> None:
    with kept.connect() as connection:
        files = requests.prepare(connection, kept.home)
    token = processes.token(kept)
    with processes.service(kept) as service, processes.floor(kept, "bare") as bare:
        used = Numbers()
        run = Run(
            store=kept,
            service=service,
            token=token,
            table=Table(),
            loads={name: Load(file, token, used, _REFUSED.get(name, 0.01)) for name, file in files.items()},
            rounds=3 if quick else 5,
            seconds=1 if quick else 2,
            quick=quick,
        )
        floors = served.FloorTimes(run, bare)
        run.table.head()
        rates = {}
        for name in names:
            try:
                if name in _PATHS:
                    rates[name] = served.measure(run, _PATHS[name], floors)
                elif name in _OTHERS:
                    _OTHERS[name](run)
            except LoadError as error:
                run.table.failed(name, error)
        if _PROCESSES in names:
            for name in _GROWING:
                if name in rates:
                    served.growth(run, _PATHS[name], rates[name])
        run.table.foot()
        floors.tell()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=_names, metavar="NAME,NAME", help=f"measure only these: {', '.join(_NAMES)}")
    parser.add_argument("--quick", action="store_true", help="shorter rounds, and fewer: to see whether it runs, not how fast")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in _NAMES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there is {', '.join(_NAMES)}")
    return names


def _told(kept: store.Store, scale: int) -> None:
    with kept.connect() as connection:
        customers, entries = (connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("customers", "contact_history"))
        server = connection.info.server_version
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    assert customers is not None
    assert entries is not None
    print(
        f"{customers[0]:,} customers, {entries[0]:,} interactions (SCALE={scale}); commit {commit or 'unknown'}; {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, PostgreSQL {server // 10000}; 2 processes of 4 threads. "
        f"Load before: {os.getloadavg()[0]:.1f}.\n"
    )


if __name__ == "__main__":
    main()
