"""`python -m bench.worker`: how soon `kehu worker` tells of a write and of time, what it costs, and how long a fill takes.

Runs on the database that KEHU_DATABASE_URL and KEHU_SECRET_KEY name, which should have a million customers and nobody else at work. Makes
50 segments and some customers of its own there, and takes them away at the end.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import insert, make_url

from app.config import Config
from app.core.caller import command_line
from app.core.ids import new_id
from app.core.preconditions import NONE
from app.customers import service as customers
from app.customers.direct import Direct
from app.customers.models import Customer
from app.db import unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.factory import catalogues
from app.segments import service as segments
from bench.data.derived import whole

SECONDS = int(os.environ.get("KEHU_BENCH_SECONDS", "30"))
WRITES_A_SECOND = 100
TURNING = 10_000
OURS = "bench-segments"
WANTED = "bench-segments-wanted"

COUNTRIES = ("US", "DE", "JP", "GB", "FR", "HK", "SG")
RULES = (
    "A_CONTAINS(tags, ('press')) AND status = 'inactive'",
    "contact_count('call', 30) >= 3",
    "days_since(metrics.last_order_at) BETWEEN 30 AND 40 AND A_CONTAINS(tags, ('vip'))",
    "order_total('CNY', 90) > 100000",
    "metrics.order_count >= 40",
    "days_since(metrics.last_contact_at) < 1 AND status = 'blocked'",
    "NOT contact_count('return', 90) < 3",
)
FILLED = "country = 'HK'"

_CALLER = command_line("bench")

# Any: rows.


def main() -> None:
    config = Config.from_env()
    assert config.database_url is not None, "KEHU_DATABASE_URL names the database"
    database = Database(config)
    plain = make_url(config.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection, kehu_worker() as worker:
        made: list[UUID] = []
        try:
            measure(database, connection, worker, made)
        finally:
            clean(database, connection, made)
    database.close()


def measure(database: Database, db: psycopg.Connection[Any], worker: subprocess.Popen[bytes], made: list[UUID]) -> None:
    print(f"load average {os.getloadavg()[0]:.1f}")
    began = time.monotonic()
    for number, rule in enumerate(f"country = '{country}' AND {one}" for country in COUNTRIES for one in RULES):
        made.append(make(database, f"bench {number}", rule))
    made.append(make(database, "bench writes", f"owner = '{WANTED}'"))
    until_filled(db)
    print(f"{len(made)} segments filled in {time.monotonic() - began:.1f} s")
    settled(db)
    print(f"an idle minute: {idle(worker, db)}")
    print(f"a write to its event, {WRITES_A_SECOND} a second: {told(writes(database, db))}")
    settled(db)
    print(f"{TURNING:,} turning in a minute, after their moment: {told(turning(database, db, made))}")
    settled(db)
    began = time.monotonic()
    made.append(make(database, "bench fill", FILLED))
    until_filled(db)
    took = time.monotonic() - began
    members = one(db, "SELECT sum(members) FROM segment_counts WHERE segment_id = %s", made[-1])
    print(f"a fill of {members:,} members: {took:.1f} s")


def writes(database: Database, db: psycopg.Connection[Any]) -> list[float]:
    """Seconds from the answer to each write to its event in the feed."""
    ids = insert_customers(database, [{"owner": OURS}] * (WRITES_A_SECOND * SECONDS))
    done: dict[UUID, float] = {}

    def write() -> None:
        start = time.monotonic()
        for number, customer_id in enumerate(ids):
            time.sleep(max(0.0, start + number / WRITES_A_SECOND - time.monotonic()))
            run(database, lambda unit, key=customer_id: patch(unit, key))
            done[customer_id] = time.monotonic()

    with watched(db) as seen:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        wait_for(lambda: len(seen) >= len(ids))
    return [seen[customer_id] - moment for customer_id, moment in done.items()]


def turning(database: Database, db: psycopg.Connection[Any], made: list[UUID]) -> list[float]:
    """Seconds from the moment at which each turns to its event in the feed."""
    made.append(make(database, "bench turning", f"days_since(created_at) >= 1 AND owner = '{OURS}-turning'"))
    first = datetime.now(UTC) + timedelta(seconds=40)
    moments = [first + timedelta(seconds=60 * number / TURNING) for number in range(TURNING)]
    ids = insert_customers(database, [{"owner": f"{OURS}-turning", "created_at": moment - timedelta(days=1)} for moment in moments])
    until_filled(db)
    offset = time.monotonic() - time.time()
    with watched(db) as seen:
        wait_for(lambda: len(seen) >= TURNING)
    return [seen[customer_id] - (moment.timestamp() + offset) for customer_id, moment in zip(ids, moments, strict=True)]


@contextmanager
def watched(db: psycopg.Connection[Any]) -> Iterator[dict[UUID, float]]:
    """When each customer's `segment.joined` was first in the feed."""
    seen: dict[UUID, float] = {}
    over = threading.Event()
    place = db.execute("SELECT xid, id FROM events ORDER BY xid DESC, id DESC LIMIT 1").fetchone() or ("0", 0)

    def watch() -> None:
        nonlocal place
        while not over.wait(0.02):
            rows = db.execute(
                "SELECT xid, id, type, customer_id FROM events WHERE (xid, id) > (%s::xid8, %s)"
                " AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT 5000",
                place,
            ).fetchall()
            moment = time.monotonic()
            for xid, number, kind, customer_id in rows:
                place = (xid, number)
                if kind == "segment.joined":
                    seen.setdefault(customer_id, moment)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    over.set()
    thread.join()


def idle(worker: subprocess.Popen[bytes], db: psycopg.Connection[Any]) -> str:
    backends = [
        row[0] for row in db.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'kehu' AND datname = current_database()")
    ]
    before = (cpu(worker.pid), sum(map(cpu, backends)))
    time.sleep(60)
    return f"worker {cpu(worker.pid) - before[0]:.2f} s of processor time, its sessions {sum(map(cpu, backends)) - before[1]:.2f} s"


def cpu(pid: int) -> float:
    """Seconds of processor time so far; 0 where the process is not ours to see."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def until_filled(db: psycopg.Connection[Any]) -> None:
    wait_for(lambda: one(db, "SELECT count(*) FROM segment_states WHERE filled < wanted") == 0)


def settled(db: psycopg.Connection[Any]) -> None:
    """When nothing that was written is left to be looked at."""
    behind = "SELECT count(*) FROM segment_lanes WHERE (xid, event_id) < (SELECT xid, id FROM events ORDER BY xid DESC, id DESC LIMIT 1)"
    wait_for(lambda: one(db, behind) == 0)
    time.sleep(2)


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < give_up, "it did not come to pass"
        time.sleep(0.1)


def one(db: psycopg.Connection[Any], statement: str, *values: object) -> Any:
    return (db.execute(statement, values).fetchone() or (None,))[0]


def told(seconds: Sequence[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, at most {max(seconds):.2f} s ({len(seconds):,})"


def make(database: Database, name: str, rule: str) -> UUID:
    data = {"name": name, "description": None, "kind": "dynamic", "rule_text": rule}
    return run(database, lambda unit: segments.create(unit, _CALLER, catalogues()["customers"], data=data))


def patch(unit: UnitOfWork, customer_id: UUID) -> object:
    return customers.patch(Direct(unit, _CALLER), customer_id=customer_id, data={"owner": WANTED}, restore=False, precondition=NONE)


def insert_customers(database: Database, rows: Sequence[dict[str, Any]]) -> list[UUID]:
    """Without events, a hundred at a time."""
    now = datetime.now(UTC)
    written = []
    for fields in rows:
        written.append({"id": new_id(), "version": 1, "xid": 3, "created_at": now, "updated_at": now, "deleted_at": None, **whole(fields)})
    with database.engine.connect() as connection:
        for begin in range(0, len(written), 1000):
            connection.execute(insert(Customer), written[begin : begin + 1000])
    return [row["id"] for row in written]


def clean(database: Database, db: psycopg.Connection[Any], made: list[UUID]) -> None:
    for segment_id in made:
        run(database, lambda unit, key=segment_id: segments.delete(unit, _CALLER, segment_id=key, precondition=NONE))
    db.execute("DELETE FROM segment_members WHERE segment_id = ANY(%s)", (made,))
    db.execute("DELETE FROM customers WHERE owner = ANY(%s)", ([OURS, WANTED, f"{OURS}-turning"],))


def run(database: Database, work: Callable[[UnitOfWork], Any]) -> Any:
    return unit_of_work.run(database, time.monotonic() + 30, work)


@contextmanager
def kehu_worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
