"""Which account the embedded PostgreSQL runs as, and what that account can reach; PostgreSQL itself refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

# In this order; nobody is on every system, postgres where a distribution's PostgreSQL is or was.
_CANDIDATES = ("postgres", "nobody")
# Mostly for initdb, which on a slow disk takes its time.
_RUN_TIMEOUT = 120.0


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message is a sentence for the person at the terminal."""


class Identity(TypedDict, total=False):
    """The arguments of Popen that change the account; empty where it stays."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account by its numbers. `is_ours`: the one this process has already."""

    name: str
    uid: int
    gid: int
    is_ours: bool

    @property
    def identity(self) -> Identity:
        return {} if self.is_ours else {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose(data: Path) -> Account:
    """The account for the data directory `data`: its owner where it exists, so that root does not lock its user out.

    Raises EmbeddedPostgresError where the data belong to somebody else, or root finds no account to change to.
    """
    owner = _owner(data)
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise EmbeddedPostgresError(
                f"The data in {data} belong to {_name(owner)}: start Kehu as that account, or set another KEHU_DATA_DIR."
            )
        return Account(_name(os.geteuid()), os.geteuid(), os.getegid(), is_ours=True)
    if owner:
        return _by_uid(owner, data)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, is_ours=False)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is neither an account postgres nor nobody here:"
        " start Kehu as an ordinary user, or set KEHU_DATABASE_URL."
    )


def run(account: Account, argv: Sequence[str | Path], *, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a short command as `account` and returns its output; raises EmbeddedPostgresError where it cannot be run at all."""
    try:
        return subprocess.run(
            argv,
            **account.identity,
            # The directory of this process may be closed to the account.
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_RUN_TIMEOUT,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(f"{argv[0]} cannot be run as {account.name}: {error}.") from error


def reaches(account: Account, directory: Path) -> bool:
    """Whether `account` can enter `directory`, found out by doing it: modes alone say nothing of ACLs and mounts.

    Root makes what the account needs inside; this process's own account has to be able to write.
    """
    if account.is_ours:
        return os.access(directory, os.R_OK | os.W_OK | os.X_OK)
    entered = run(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", directory], environment={})
    return entered.returncode == 0


def make_private(directory: Path, account: Account) -> None:
    """Makes `directory` for `account` alone (0700); one that is there already has to be just that.

    Checked without following links, so that nobody can prepare a directory of his own under this name.
    """
    try:
        directory.mkdir(mode=0o700)
        if not account.is_ours:
            os.chown(directory, account.uid, account.gid, follow_symlinks=False)
    except FileExistsError:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or stat.S_IMODE(found.st_mode) != 0o700:
            raise EmbeddedPostgresError(
                f"{directory} has to be a directory of {account.name} with mode 0700, and is not: remove it."
            ) from None
    except OSError as error:
        raise EmbeddedPostgresError(f"{directory} cannot be made for {account.name}: {error.strerror}.") from error


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EmbeddedPostgresError(f"{path} cannot be read: {error.strerror}.") from error


def _name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid if uid is not None else os.geteuid()).pw_name
    except KeyError:
        return f"user {uid}"


def _by_uid(uid: int, data: Path) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedPostgresError(f"The data in {data} belong to user {uid}, which has no account here.") from None
    return Account(entry.pw_name, uid, entry.pw_gid, is_ours=False)
