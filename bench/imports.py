"""`python -m bench.imports [ROWS]`: an import over HTTP against COPY and INSERT .. ON CONFLICT of the same rows, and its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import psycopg
from sqlalchemy import make_url

from app.attributes.definition import NONE
from app.config import Config
from app.core.caller import command_line
from app.core.ids import new_id
from app.customers import merging
from app.customers.bulk import items
from app.customers.bulk.service import Item
from app.db import embedded, migrations, unit_of_work
from app.db.columns import to_json
from app.db.engines import Database
from app.tokens import service as tokens
from bench.people import people

PORT = 8790
SECRET = "k" * 32
# Of the floor: its rows are written so many at a time, as the import's are.
CHUNK = 1000
FLOOR_ROWS = 20_000
MOMENT = "2026-01-01T00:00:00Z"

# Any: psycopg's rows.


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    home = Path(tempfile.mkdtemp(prefix="kehu-bench-"))
    home.chmod(0o755)
    server = embedded.start(Config(data_dir=home / "data", data_dir_is_default=False, secret_key=SECRET))
    try:
        measure(server.url, home, count)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def measure(url: str, home: Path, count: int) -> None:
    config = Config(database_url=url, data_dir=home, secret_key=SECRET)
    migrations.upgrade(url, config)
    database = Database(config)
    token = unit_of_work.run(
        database,
        time.monotonic() + 10,
        lambda unit: tokens.create(unit, command_line("bench"), name="bench", scopes=["*"], expires_at=None).token,
    )
    database.close()
    file = home / "people.ndjson"
    with file.open("wb") as out:
        for person in people(count):
            out.write(orjson.dumps(person, option=orjson.OPT_APPEND_NEWLINE))
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    prepared = prepare(min(count, FLOOR_ROWS))
    environment = {**os.environ, "KEHU_DATABASE_URL": url, "KEHU_SECRET_KEY": SECRET, "KEHU_BIND": f"127.0.0.1:{PORT}"}
    service = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_ready()
        watch = MemoryWatch(service.pid)
        print(f"{count:,} customers, {file.stat().st_size / count:.0f} bytes a line\n")
        with psycopg.connect(plain, autocommit=True) as connection:
            before = floor(connection, prepared)
            first = run(file, token, count)
            between = floor(connection, prepared)
            again = run(file, token, count)
            after = floor(connection, prepared)
        told("first import, against customers alone", first, (before.first + between.first) / 2)
        told("first import, against all it writes", first, (before.whole + between.whole) / 2)
        told("the same again, against customers alone", again, (between.again + after.again) / 2)
        watch.stop()
    finally:
        service.terminate()
        service.wait()


def run(file: Path, token: str | None, count: int) -> float:
    """Rows a second of an import by curl."""
    began = time.monotonic()
    answer = subprocess.run(
        [
            "curl",
            "-sS",
            "-H",
            f"Authorization: Bearer {token}",
            "-H",
            "Content-Type: application/x-ndjson",
            "-T",
            str(file),
            "-X",
            "POST",
            f"http://127.0.0.1:{PORT}/v1/customers/import?report=errors",
        ],
        check=True,
        capture_output=True,
    ).stdout
    seconds = time.monotonic() - began
    print(answer.decode().strip().splitlines()[-1], f"{seconds:.1f} s")
    return count / seconds


def told(name: str, rate: float, bound: float) -> None:
    print(f"{name:42} {rate:>9,.0f} rows/s   floor {bound:>9,.0f}   ratio {rate / bound:.2f}")


@dataclass(frozen=True)
class Chunk:
    """Rows as the service writes them, as COPY takes them: made beforehand, so that the floor is the database's alone."""

    columns: str
    customers: bytes
    keys: bytes
    events: bytes


def prepare(count: int) -> list[Chunk]:
    chunks = []
    for first in range(0, count, CHUNK):
        rows = [row_of(person) for person in islice(people(count), first, first + CHUNK)]
        columns = list(rows[0])
        chunks.append(
            Chunk(
                columns=", ".join(columns),
                customers=lines([copied(name, row[name]) for name in columns] for row in rows),
                keys=lines(["shop", row["external_ids"]["shop"], row["id"]] for row in rows),
                events=lines([row["id"], "customer.created", f"customers/{row['id']}", "{}", "bench", MOMENT, event(row)] for row in rows),
            )
        )
    return chunks


def row_of(person: dict[str, Any]) -> dict[str, Any]:
    item = items.of_line(person, source=None, match=(), digest=b"")
    assert isinstance(item, Item)
    assert item.key is not None
    data = {"source": "shop", **item.data, "external_ids": {item.key.source: item.key.external_id}}
    values = merging.new(data, definitions=NONE)
    times = {"created_at": MOMENT, "updated_at": MOMENT}
    return {**values, **merging.derived(values), "id": str(new_id()), "version": 1, "xid": "1", **times}


def event(row: dict[str, Any]) -> str:
    after = {name: value for name, value in row.items() if not name.startswith("search_")}
    return to_json({"before": None, "after": after, "changed": list(after)}).replace("\\", "\\\\")


def lines(rows: Iterable[Sequence[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def copied(name: str, value: Any) -> str:
    if value is None:
        return r"\N"
    if name in ("addresses", "external_ids", "attributes"):
        text = to_json(value)
    elif isinstance(value, list):
        text = "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in value) + "}"
    else:
        text = str(value)
    return text.replace("\\", "\\\\")


@dataclass(frozen=True)
class Floor:
    """Rows a second: of customers alone, first and again, and of all that an import writes."""

    first: float
    again: float
    whole: float


def floor(connection: psycopg.Connection[Any], chunks: Sequence[Chunk]) -> Floor:
    """By COPY into staging tables and one INSERT .. ON CONFLICT for each."""
    tables = ("customers", "customer_keys", "events")

    def empty() -> None:
        for table in tables:
            connection.execute(f"DROP TABLE IF EXISTS bench_{table}")
            connection.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
        connection.execute("CREATE TRIGGER set_xid BEFORE INSERT ON bench_events FOR EACH ROW EXECUTE FUNCTION events_set_xid()")

    def write(*, whole: bool) -> float:
        began = time.monotonic()
        for chunk in chunks:
            with connection.transaction(), connection.cursor() as cursor:
                staged(cursor, "customers", chunk.columns, chunk.customers, "ON CONFLICT (id) DO NOTHING")
                if whole:
                    names = "source, external_id, customer_id"
                    staged(cursor, "customer_keys", names, chunk.keys, "ON CONFLICT (source, external_id) DO NOTHING")
                    names = "event_id, type, subject, actor, request_id, time, data"
                    staged(cursor, "events", names, chunk.events, "")
        return len(chunks) * CHUNK / (time.monotonic() - began)

    empty()
    first = write(whole=False)
    again = write(whole=False)
    empty()
    whole = write(whole=True)
    for table in tables:
        connection.execute(f"DROP TABLE bench_{table}")
    return Floor(first, again, whole)


def staged(cursor: psycopg.Cursor[Any], table: str, columns: str, data: bytes, conflict: str) -> None:
    cursor.execute(f"CREATE TEMP TABLE staging_{table} ON COMMIT DROP AS SELECT {columns} FROM bench_{table} WITH NO DATA")
    with cursor.copy(f"COPY staging_{table} ({columns}) FROM STDIN") as copy:
        copy.write(data)
    cursor.execute(f"INSERT INTO bench_{table} ({columns}) SELECT {columns} FROM staging_{table} {conflict}")


class MemoryWatch:
    """Looks at the resident memory of the service's processes each second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._most: dict[int, int] = {}
        self._curve: list[int] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        curve = " ".join(str(value) for value in self._curve[:: max(1, len(self._curve) // 20)])
        print(f"greatest resident memory of a process: {max(self._most.values()) / 1024:.0f} MB; over time, MB: {curve}")

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            found = {pid: resident(pid) for pid in (self._pid, *children(self._pid))}
            for pid, size in found.items():
                self._most[pid] = max(size, self._most.get(pid, 0))
            self._curve.append(max(found.values()) // 1024)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def resident(pid: int) -> int:
    """In kB; without shared memory, which a process of PostgreSQL would show as its own."""
    with suppress(OSError):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        return int(fields.get("RssAnon", "0 kB").split()[0])
    return 0


def wait_until_ready() -> None:
    for _ in range(100):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError("the service does not come up")


if __name__ == "__main__":
    main()
