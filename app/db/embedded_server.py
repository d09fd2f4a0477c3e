"""One PostgreSQL server process as our child: its settings, its log, its start, its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import psycopg

from app.core import death_signal
from app.db import embedded_account, embedded_binaries, embedded_cluster, embedded_memory
from app.db.embedded_account import EmbeddedPostgresError
from app.db.embedded_binaries import Binaries
from app.db.embedded_place import PORT, Place

_POLL = 0.02
# A postmaster takes connections only when it has replayed its log, which after a crash under load takes minutes.
_READY_TIMEOUT = 300.0
# What is left of an earlier server: backends that end at their next look at the postmaster, or a shutdown that still writes.
_REMAINS_TIMEOUT = 60.0
_REMAINS_POLL = 0.1
# It writes what of its memory is not on the disk yet, see `embedded_memory`.
_FAST_SHUTDOWN_TIMEOUT = 60.0
_IMMEDIATE_SHUTDOWN_TIMEOUT = 10.0
_MAX_LOG_BYTES = 10_000_000
_TAIL_BYTES = 2_000

_REMAINS = re.compile(r'lock file ".*" already exists|pre-existing shared memory block')

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    # No personal data in the log. Statements and details quote rows, and so do the messages of errors ("invalid input syntax ..:
    # <value>"); LOG is the level above ERROR, so what is left are the server's own affairs.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_destination": "stderr",
    "logging_collector": "off",
    "lc_messages": "C",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class Server:
    """A PostgreSQL that is our child. It holds its data directory's lock until `stop`, also while the child is dead."""

    __slots__ = ("_binaries", "_lock", "_log_start", "_options", "_place", "_process")

    def __init__(self, place: Place, binaries: Binaries, lock: int, options: Mapping[str, str]) -> None:
        self._place = place
        self._binaries = binaries
        self._lock = lock
        self._options = options
        self._log_start = 0
        self._process = self._spawn()

    @property
    def url(self) -> str:
        return self._place.url

    @property
    def home(self) -> Path:
        """Where data and log are: the data directory, or what stands for it where PostgreSQL's account cannot enter that."""
        return self._place.home

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """None while the server runs, else how it ended, as Popen says it."""
        return self._process.poll()

    def revive(self) -> None:
        """Starts a server that has ended once more, and does not wait until it is ready.

        The new one ends at once, to be revived again, as long as backends of the old one are there.
        """
        if self._process.poll() is not None:
            embedded_cluster.clear_false_lock(self._place)
            self._process = self._spawn()

    def stop(self) -> None:
        """Ends every session and the server: nothing committed is lost, whichever of the signals it takes. May be repeated."""
        for number, patience in (
            (signal.SIGINT, _FAST_SHUTDOWN_TIMEOUT),
            (signal.SIGQUIT, _IMMEDIATE_SHUTDOWN_TIMEOUT),
            (signal.SIGKILL, None),
        ):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(patience)
        if self._lock >= 0:
            if self._place.socket_dir.parent != self._place.home:
                with suppress(OSError):
                    self._place.socket_dir.rmdir()
            os.close(self._lock)
            self._lock = -1

    def wait_until_ready(self) -> None:
        """Raises EmbeddedPostgresError with the end of the log where the server ends instead, or takes too long."""
        give_up = time.monotonic() + _READY_TIMEOUT
        patience = time.monotonic() + _REMAINS_TIMEOUT
        while not embedded_cluster.is_ready(self._place, self.pid):
            if self._process.poll() is not None:
                tail = self._log_tail()
                if not _REMAINS.search(tail) or time.monotonic() > patience:
                    raise EmbeddedPostgresError(f"PostgreSQL did not start in {self._place.data}:\n{tail}")
                if not embedded_cluster.clear_false_lock(self._place):
                    _stop_orphan(self._place, self._binaries)
                    time.sleep(_REMAINS_POLL)
                self._process = self._spawn()
            elif time.monotonic() > give_up:
                raise EmbeddedPostgresError(f"PostgreSQL in {self._place.data} is not ready after {_READY_TIMEOUT:.0f} s.")
            time.sleep(_POLL)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {**_SETTINGS, **embedded_memory.settings(), "unix_socket_directories": f'"{self._place.socket_dir}"', **self._options}
        argv = [str(self._binaries.path("postgres")), "-D", str(self._place.data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        with _open_log(self._place) as log:
            self._log_start = os.fstat(log.fileno()).st_size
            return subprocess.Popen(
                argv,
                **self._place.account.identity,
                cwd="/",
                env=embedded_binaries.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C at the terminal is for us; we then stop the server when nobody needs it any more.
                start_new_session=True,
                preexec_fn=death_signal.in_child(signal.SIGINT),
            )

    def _log_tail(self) -> str:
        with self._place.log.open("rb") as log:
            log.seek(max(self._log_start, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()


def connect(place: Place, database: str) -> psycopg.Connection:
    return psycopg.connect(host=str(place.socket_dir), port=PORT, user="postgres", dbname=database, autocommit=True, connect_timeout=10)


def connects(place: Place, database: str) -> bool:
    try:
        connect(place, database).close()
    except psycopg.OperationalError:
        return False
    return True


def _stop_orphan(place: Place, binaries: Binaries) -> None:
    """Stops a server that outlived its holder, as it does without a death signal."""
    if connects(place, "postgres"):
        argv: list[str | Path] = [binaries.path("pg_ctl"), "stop", "--pgdata", place.data, "--mode=fast", "--silent"]
        embedded_account.run(place.account, argv, environment=embedded_binaries.environment())


def _open_log(place: Place) -> BinaryIO:
    """The log, to be appended to; a long one is set aside first, so that two of them bound the space."""
    with suppress(FileNotFoundError):
        if place.log.lstat().st_size > _MAX_LOG_BYTES:
            place.log.replace(place.log.with_suffix(".log.1"))
    try:
        return os.fdopen(os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "ab")
    except OSError as error:
        raise EmbeddedPostgresError(f"{place.log} cannot be opened: {error.strerror}.") from error
