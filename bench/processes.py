"""What is measured, each a gunicorn with the service's own settings: the service itself, or one floor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.config import Config
from app.core.caller import command_line
from app.db import unit_of_work
from app.db.engines import Database
from app.tokens import service as tokens
from bench.data.store import SECRET, Store

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Process:
    """A gunicorn with its workers."""

    port: int
    pid: int

    def resident_mb(self) -> float:
        """Of all its processes together: what is their own, and once what they share."""
        return sum(_proportional(pid) for pid in _family(self.pid)) / 1024


@contextmanager
def service(store: Store, *, workers: int = 2) -> Iterator[Process]:
    with _running("wsgi:app", store, {"KEHU_WORKERS": str(workers)}, ready="/readyz") as process:
        yield process


@contextmanager
def floor(store: Store, name: str, *, workers: int = 2) -> Iterator[Process]:
    environment = {"KEHU_WORKERS": str(workers), "KEHU_BENCH_FLOOR": name, "KEHU_BENCH_URL": store.plain}
    with _running("bench.floors.served:app", store, environment, ready="/") as process:
        yield process


def token(store: Store) -> str:
    """One that may do everything."""
    database = Database(Config(database_url=store.url, data_dir=store.home, secret_key=SECRET))
    try:
        made = unit_of_work.run(
            database,
            time.monotonic() + 10,
            lambda unit: tokens.create(unit, command_line("bench"), name="bench", scopes=["*"], expires_at=None),
        )
    finally:
        database.close()
    assert made.token is not None
    return made.token


@contextmanager
def _running(app: str, store: Store, environment: Mapping[str, str], *, ready: str) -> Iterator[Process]:
    port = _free_port()
    settings = {"KEHU_DATABASE_URL": store.url, "KEHU_SECRET_KEY": SECRET, "KEHU_BIND": f"127.0.0.1:{port}", **environment}
    log = store.home / f"gunicorn-{port}.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", app],
            cwd=_ROOT,
            env={**os.environ, **settings},
            stdout=out,
            stderr=out,
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}{ready}", child, log)
        yield Process(port, child.pid)
    finally:
        child.terminate()
        child.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_until_ready(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if child.poll() is not None:
            break
        with suppress(OSError):
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except urllib.error.HTTPError as error:
                # A floor knows one path only: any answer will do.
                if error.code == 404:
                    return
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not come up:\n{log.read_text()[-2000:]}")


def _family(pid: int) -> list[int]:
    """The process and all below it; whichever of its threads has started them."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


def _proportional(pid: int) -> int:
    """In kB."""
    with suppress(OSError, StopIteration):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in rollup if line.startswith("Pss:")).split()[1])
    return 0
