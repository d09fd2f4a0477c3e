"""Where an embedded PostgreSQL keeps data, socket, log and lock: the same for all who ask about one data directory."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.config import Config
from app.db import embedded_account
from app.db.embedded_account import Account, EmbeddedPostgresError

# For root, where a checkout is closed to every other account.
SYSTEM_DIR = Path("/var/lib/kehu")

# Only a part of the socket's name: nothing listens on TCP.
PORT = 5432

# sockaddr_un has 108 bytes on Linux and 104 elsewhere, one of them for the closing zero.
_MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103

# libpq takes a comma for a list of hosts, SQLAlchemy a colon for a port.
_UNSPEAKABLE = (",", ":")


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one instance. `home` holds everything but, where its path is too long, the socket."""

    account: Account
    home: Path
    socket_dir: Path
    moved: bool

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def lock(self) -> Path:
        return self.home / "postgres.lock"

    @property
    def url(self) -> str:
        # With the port, since a PGPORT in somebody's environment would name another socket.
        return f"postgresql+psycopg://postgres@/kehu?host={quote(str(self.socket_dir))}&port={PORT}"


def find(config: Config) -> Place:
    """The place of `config.data_dir`, which is made where it is missing.

    Data that exist stay where they are. New ones go to the data directory where PostgreSQL's account can reach it; where it
    cannot, to a directory of the system if nobody chose the data directory, and nowhere if somebody did.
    """
    chosen, system = config.data_dir, _system_home(config.data_dir)
    may_move = config.data_dir_is_default and os.geteuid() == 0 and not os.path.isdir(chosen / "postgres")
    if may_move and os.path.isdir(system / "postgres"):
        return _place(embedded_account.choose(system / "postgres"), system, moved=True)
    account = embedded_account.choose(chosen / "postgres")
    _make_open(chosen)
    if embedded_account.reaches(account, chosen):
        return _place(account, chosen, moved=False)
    if not may_move:
        raise EmbeddedPostgresError(
            f"The account {account.name}, as which PostgreSQL has to run, cannot use {chosen}:"
            " set KEHU_DATA_DIR to a directory that is open to it, or set KEHU_DATABASE_URL."
        )
    make_system_dir()
    _make_open(system)
    return _place(account, system, moved=True)


def make_system_dir() -> None:
    """Makes SYSTEM_DIR, or checks that nobody but root could have put anything into it."""
    _make_open(SYSTEM_DIR)
    found = SYSTEM_DIR.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedPostgresError(f"{SYSTEM_DIR} has to be a directory that only root may write, and is not.")


def _place(account: Account, home: Path, *, moved: bool) -> Place:
    return Place(account=account, home=home, socket_dir=_socket_dir(home), moved=moved)


def _socket_dir(home: Path) -> Path:
    directory = home / "run"
    path = directory / f".s.PGSQL.{PORT}"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH and not any(sign in str(path) for sign in _UNSPEAKABLE):
        return directory
    # Not the temporary directory of this process: TMPDIR may differ for whoever wants to find the same instance.
    return Path("/tmp") / f"kehu-{_hash(home)}"


def _system_home(data_dir: Path) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", data_dir.parent.name).strip(".-") or "kehu"
    return SYSTEM_DIR / f"{name[:40]}-{_hash(data_dir)}"


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:16]


def _make_open(directory: Path) -> None:
    """Makes a directory that, if root makes it, others may enter whatever the umask; one that is there already stays as it is."""
    try:
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                path.chmod(0o755)
    except OSError as error:
        raise EmbeddedPostgresError(f"{directory} cannot be made: {error.strerror}.") from error
