"""The door to the embedded PostgreSQL: start it for as long as we live, or use it wherever it runs already."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import psycopg

from app.config import Config
from app.db import embedded_account, embedded_binaries, embedded_cluster, embedded_place, embedded_server
from app.db.embedded_account import EmbeddedPostgresError
from app.db.embedded_place import Place
from app.db.embedded_server import Server

__all__ = ["EmbeddedPostgresError", "Server", "running", "start"]

# Whoever has the data directory may be a short command that is about to give it back.
_LOCK_TIMEOUT = 10.0
# Longer than a server may take for its recovery.
_ATTACH_TIMEOUT = 330.0
_POLL = 0.1
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


def start(config: Config, *, options: Mapping[str, str] = _NO_OPTIONS) -> Server:
    """Starts the PostgreSQL of `config.data_dir`, with a database `kehu` in it; `options` overrides settings of the server.

    To be called by the main thread where the server has to end with this process, however that ends. Raises
    EmbeddedPostgresError, also where another process has the server already.
    """
    place = embedded_place.find(config)
    give_up = time.monotonic() + _LOCK_TIMEOUT
    while (lock := _try_lock(place)) is None:
        if time.monotonic() > give_up:
            raise EmbeddedPostgresError(f"The database in {place.home} is in use by another process of Kehu{_holder(place)}.")
        time.sleep(_POLL)
    return _start(place, lock, config, options)


@contextmanager
def running(config: Config) -> Iterator[str]:
    """The URL of the instance of `config.data_dir`, for as long as the block runs.

    Where another process has it, that one's; else one that is started here and stopped at the end.
    """
    place = embedded_place.find(config)
    give_up = time.monotonic() + _ATTACH_TIMEOUT
    while (lock := _try_lock(place)) is None:
        if embedded_server.connects(place, "kehu"):
            yield place.url
            return
        if time.monotonic() > give_up:
            raise EmbeddedPostgresError(f"The database in {place.home}{_holder(place)} does not answer.")
        time.sleep(_POLL)
    server = _start(place, lock, config, _NO_OPTIONS)
    try:
        yield server.url
    finally:
        server.stop()


def _start(place: Place, lock: int, config: Config, options: Mapping[str, str]) -> Server:
    """Takes over `lock`."""
    try:
        binaries = embedded_binaries.find(config.pg_bin, place.account)
        embedded_account.make_private(place.socket_dir, place.account)
        embedded_cluster.ensure(place, binaries)
        server = Server(place, binaries, lock, options)
    except BaseException:
        os.close(lock)
        raise
    try:
        server.wait_until_ready()
        _ensure_database(place)
    except BaseException:
        server.stop()
        raise
    if place.moved:
        sys.stderr.write(f"kehu: {place.account.name} cannot enter {config.data_dir}: the data are in {place.home}\n")
    return server


def _try_lock(place: Place) -> int | None:
    """The open lock file, which says who holds it, or None where another process does. The system gives it back at any end."""
    try:
        lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedPostgresError(f"{place.lock} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _holder(place: Place) -> str:
    try:
        return f" (process {int(place.lock.read_text())})"
    except (OSError, ValueError):
        return ""


def _ensure_database(place: Place) -> None:
    try:
        with embedded_server.connect(place, "postgres") as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'kehu'").fetchone() is None:
                connection.execute("CREATE DATABASE kehu")
    except psycopg.Error as error:
        raise EmbeddedPostgresError(f"The database kehu cannot be made in {place.data}: {error}") from error
