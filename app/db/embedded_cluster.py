"""The data directory of the embedded PostgreSQL: made, recognised, cleared of what a dead postmaster left there."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path

from app.db import embedded_account
from app.db.embedded_account import Account, EmbeddedPostgresError
from app.db.embedded_binaries import Binaries, environment
from app.db.embedded_place import PORT, Place

# The first where the C library knows it, as nearly all do.
_LOCALES = ("C.UTF-8", "C")


def ensure(place: Place, binaries: Binaries) -> None:
    """Makes the data directory where there is none. Raises EmbeddedPostgresError where one of another version is there.

    To be called with the lock held. The directory gets its name when it is complete, so a killed call leaves no half of one.
    """
    for unfinished in place.home.glob("postgres.new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if os.path.isdir(place.data):
        return _refuse_other_version(place, binaries)
    draft = place.home / f"postgres.new-{secrets.token_hex(4)}"
    embedded_account.make_private(draft, place.account)
    try:
        _initdb(draft, place.account, binaries)
        draft.rename(place.data)
        _sync(place.home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def is_ready(place: Place, pid: int) -> bool:
    """Whether the postmaster `pid`, and not an older one, takes connections: what pg_ctl looks at, line 8 of its file."""
    lines = _pid_file(place)
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def clear_false_lock(place: Place) -> bool:
    """Removes the files of a dead postmaster whose number another program has by now; says whether it did.

    PostgreSQL takes any process of its own account for a living postmaster, and numbers come again soon in a container. Left-over
    backends are still noticed: their shared memory is found by the data directory itself.
    """
    lines = _pid_file(place)
    if not lines or not lines[0].strip().isdigit() or _may_be_postgres(int(lines[0])):
        return False
    (place.data / "postmaster.pid").unlink(missing_ok=True)
    (place.socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
    return True


def _initdb(draft: Path, account: Account, binaries: Binaries) -> None:
    for locale in _LOCALES:
        options = [f"--locale={locale}"]
        if binaries.major >= 17:
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = embedded_account.run(
            account,
            [
                binaries.path("initdb"),
                f"--pgdata={draft}",
                "--username=postgres",
                "--encoding=UTF8",
                # No TCP at all; whoever may enter the socket's directory is the account itself, or root.
                "--auth-host=reject",
                "--auth-local=trust",
                "--no-instructions",
                *options,
            ],
            environment=environment(),
        )
        if done.returncode == 0:
            return
        if "invalid locale" not in done.stdout:
            break
    raise EmbeddedPostgresError(f"The database could not be made in {draft.parent}:\n{done.stdout.strip()}")


def _refuse_other_version(place: Place, binaries: Binaries) -> None:
    try:
        made_by = (place.data / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EmbeddedPostgresError(f"{place.data} is not a data directory of PostgreSQL: {error.strerror}.") from error
    if made_by != str(binaries.major):
        raise EmbeddedPostgresError(
            f"The data in {place.data} are of PostgreSQL {made_by}, the programs in {binaries.directory} of {binaries.major}:"
            f" set KEHU_PG_BIN to the programs of PostgreSQL {made_by}."
        )


def _pid_file(place: Place) -> list[str]:
    try:
        return (place.data / "postmaster.pid").read_text(errors="replace").splitlines()
    except OSError:
        return []


def _may_be_postgres(pid: int) -> bool:
    if sys.platform != "linux":
        return True
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() in ("postgres", "postmaster")
    except OSError:
        # Nobody has this number, and PostgreSQL sees that itself.
        return True


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
