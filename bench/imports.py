"""`python -m bench.imports [ROWS]`: an import over HTTP against COPY and INSERT .. ON CONFLICT of the same rows, and its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import psycopg
from sqlalchemy import make_url

from app.config import Config
from app.core.caller import command_line
from app.customers import merging
from app.customers.bulk import items
from app.db import embedded, migrations, unit_of_work
from app.db.columns import to_json
from app.db.engines import Database
from app.tokens import service as tokens
from bench.people import people

PORT = 8790
SECRET = "k" * 32
# Of the floor: its rows are written so many at a time, as the import's are.
CHUNK = 1000
FLOOR_ROWS = 50_000

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
        floors_first = (before[0] + between[0]) / 2
        floors_again = (between[1] + after[1]) / 2
        print(f"{'first import':24} {first:>9,.0f} rows/s   floor {floors_first:>9,.0f}   ratio {first / floors_first:.2f}")
        print(f"{'the same again':24} {again:>9,.0f} rows/s   floor {floors_again:>9,.0f}   ratio {again / floors_again:.2f}")
        print(f"floors: {before[0]:,.0f} {between[0]:,.0f} {after[0]:,.0f} / {before[1]:,.0f} {between[1]:,.0f} {after[1]:,.0f} rows/s")
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


def prepare(count: int) -> list[tuple[str, bytes]]:
    """Chunks of rows as the service writes them: made beforehand, so that the floor is the database's alone."""
    columns = None
    chunks = []
    lines: list[str] = []
    for person in people(count):
        item = items.of_line(person, source=None, match=(), digest=b"")
        assert not isinstance(item, Exception)
        assert item.key is not None
        values = merging.DEFAULTS | merging.merge(
            merging.DEFAULTS, {"source": "shop", **item.data, "external_ids": {item.key.source: item.key.external_id}}
        )
        row = {**values, **merging.derived(values), "id": str(new_uuid()), "version": 1, "xid": "1"}
        columns = columns or list(row)
        lines.append("\t".join(copied(name, row[name]) for name in columns))
        if len(lines) == CHUNK:
            chunks.append((", ".join(columns), "\n".join(lines).encode() + b"\n"))
            lines = []
    return chunks


def new_uuid() -> Any:
    from app.core.ids import new_id

    return new_id()


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


def floor(connection: psycopg.Connection[Any], chunks: Sequence[tuple[str, bytes]]) -> tuple[float, float]:
    """Rows a second of COPY into a staging table and one INSERT .. ON CONFLICT, first into an empty table, then into the same again."""
    connection.execute("DROP TABLE IF EXISTS bench_customers")
    connection.execute("CREATE TABLE bench_customers (LIKE customers INCLUDING ALL)")
    connection.execute("ALTER TABLE bench_customers ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now()")
    rates = []
    for _ in range(2):
        began = time.monotonic()
        for columns, data in chunks:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("CREATE TEMP TABLE staging (LIKE bench_customers INCLUDING DEFAULTS) ON COMMIT DROP")
                with cursor.copy(f"COPY staging ({columns}) FROM STDIN") as copy:
                    copy.write(data)
                cursor.execute("INSERT INTO bench_customers SELECT * FROM staging ON CONFLICT (id) DO NOTHING")
        rates.append(len(chunks) * CHUNK / (time.monotonic() - began))
    connection.execute("DROP TABLE bench_customers")
    return rates[0], rates[1]


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
    import urllib.request

    for _ in range(100):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2):
            return
        time.sleep(0.2)
    raise RuntimeError("the service does not come up")


if __name__ == "__main__":
    main()
