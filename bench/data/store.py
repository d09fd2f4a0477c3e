"""Where the data are kept, and a server with a copy of them that may be written to."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from app.config import Config
from app.db import embedded, migrations
from app.db.embedded import Server
from bench.data import making

SECRET = "k" * 32

# Raised whenever other rows are made, or the same are kept otherwise: what is kept is then made anew.
_RECIPE = 4
_KEPT = "KEHU_BENCH_DATA"
_DAY = 86400
# Rules count days: data that are much older than this have no calls within thirty.
_OLDEST = 14 * _DAY
_COPY = "run"

# A crash while they are made is no loss.
_MAKING: Mapping[str, str] = {"max_wal_size": "4GB", "fsync": "off", "wal_level": "minimal", "max_wal_senders": "0"}

# Any: psycopg's rows.


@dataclass(frozen=True)
class Store:
    """A running server; `url` is of the copy, as the service takes it, and `plain` as psycopg does."""

    url: str
    home: Path
    anchor: int

    @property
    def plain(self) -> str:
        return make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.plain, autocommit=True)


@contextmanager
def opened(scale: int) -> Iterator[Store]:
    """The data of `scale`, made where they are missing or too old. What the block writes is gone afterwards."""
    with server(scale) as (running, home, anchor):
        with _maintenance(running) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_COPY}")
            connection.execute(f"CREATE DATABASE {_COPY} TEMPLATE kehu STRATEGY FILE_COPY")
        try:
            yield Store(_database(running.url, _COPY), home, anchor)
        finally:
            with _maintenance(running) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {_COPY} WITH (FORCE)")


@contextmanager
def server(scale: int) -> Iterator[tuple[Server, Path, int]]:
    """The server of the data themselves, in its database `kehu`, with its home and the present of the data in seconds."""
    home = place(scale)
    anchor = _made(home)
    if anchor is None:
        anchor = _make(home, scale)
    running = embedded.start(_config(home))
    try:
        migrations.upgrade(running.url, _config(home))
        yield running, home, anchor
    finally:
        running.stop()


def place(scale: int) -> Path:
    chosen = os.environ.get(_KEPT)
    return (Path(chosen) if chosen else Path(__file__).resolve().parents[1] / ".data") / f"scale-{scale}"


def _config(home: Path) -> Config:
    return Config(data_dir=home, data_dir_is_default=_KEPT not in os.environ, secret_key=SECRET)


def _made(home: Path) -> int | None:
    """The present of the data that are kept; None where there are none that can be used."""
    try:
        note = json.loads((home / "made.json").read_text())
    except (OSError, ValueError):
        return None
    anchor: int = note["anchor"]
    return anchor if note["recipe"] == _RECIPE and time.time() - anchor < _OLDEST else None


def _make(home: Path, scale: int) -> int:
    """The note is written last: what was broken off is made anew."""
    sys.stderr.write(f"Making the data of scale {scale} in {home} (once) ...\n")
    shutil.rmtree(home, ignore_errors=True)
    running = embedded.start(_config(home), options=_MAKING)
    # The midnight before, so that all who make them on one day make the same.
    anchor = int(time.time()) // _DAY * _DAY
    try:
        with _maintenance(running) as connection:
            connection.execute("DROP DATABASE kehu")
            connection.execute("CREATE DATABASE kehu")
        migrations.upgrade(running.url, _config(home))
        with psycopg.connect(_plain(running.url), autocommit=True) as connection:
            making.make(connection, scale, anchor)
            connection.execute("CHECKPOINT")
    finally:
        running.stop()
    os.sync()
    (home / "made.json").write_text(json.dumps({"recipe": _RECIPE, "anchor": anchor, "scale": scale}))
    return anchor


def _maintenance(running: Server) -> psycopg.Connection[Any]:
    return psycopg.connect(_plain(_database(running.url, "postgres")), autocommit=True)


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
