"""The settings of one process, read once from `KEHU_*`; nothing else in the house reads the environment."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
D = TypeVar("D")

SERVICES = ("customers", "contact_history", "segments")

# A shorter key could be guessed from one signed cursor.
_MIN_SECRET_LENGTH = 32


class ConfigError(Exception):
    """Every bad variable of the environment, one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a process needs to know. Times are seconds, sizes are bytes."""

    # None: the embedded PostgreSQL below `data_dir`.
    database_url: str | None = field(default=None, repr=False)
    data_dir: Path
    data_dir_is_default: bool = True
    secret_key: str = field(repr=False)
    bind: str = "127.0.0.1:8000"
    workers: int = 2
    threads: int = 4
    # Of each of the workers, beside it: for long imports, and only as long as there are some.
    import_processes: int = 2
    services: tuple[str, ...] = SERVICES
    require_if_match: bool = False
    metrics_token: str | None = field(default=None, repr=False)
    pg_bin: Path | None = None
    lock_timeout: float = 2.0
    statement_timeout: float = 5.0
    request_deadline: float = 8.0
    connect_timeout: float = 3.0
    body_timeout: float = 10.0
    stream_timeout: float = 30.0
    admission_wait: float = 1.0
    max_body_bytes: int = 1_048_576

    @property
    def requests(self) -> int:
        """How many requests a process answers at once: one thread is kept for those that ask after its health."""
        return self.threads - 1

    @property
    def streams(self) -> int:
        """How many imports and exports may run at once in a process: half of its threads, so that short requests always find one."""
        return max(1, self.threads // 2)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """The configuration that `environ` (the process's own where None) describes.

        Raises ConfigError with every variable that is wrong, not only the first. Where no database is named, the key that signs
        cursors is made once and kept in the data directory; where one is named, it must be given, since all hosts have to share it.
        """
        reader = _Reader(os.environ if environ is None else environ)
        database_url = reader.value("DATABASE_URL", _database_url, None)
        data_dir = reader.value("DATA_DIR", _path, Path.cwd() / ".kehu")
        secret_key = reader.value("SECRET_KEY", _secret_key, None)
        values: dict[str, Any] = {
            "bind": reader.value("BIND", _bind, "127.0.0.1:8000"),
            "workers": reader.value("WORKERS", _integer(1, 256), 2),
            # One thread is always kept for health, so one alone would serve nobody.
            "threads": reader.value("THREADS", _integer(2, 256), 4),
            "import_processes": reader.value("IMPORT_PROCESSES", _integer(0, 16), 2),
            "services": reader.value("SERVICES", _services, SERVICES),
            "require_if_match": reader.value("REQUIRE_IF_MATCH", _boolean, False),
            "metrics_token": reader.value("METRICS_TOKEN", _token, None),
            "pg_bin": reader.value("PG_BIN", _directory, None),
            "lock_timeout": reader.value("LOCK_TIMEOUT", _seconds, 2.0),
            "statement_timeout": reader.value("STATEMENT_TIMEOUT", _seconds, 5.0),
            "request_deadline": reader.value("REQUEST_DEADLINE", _seconds, 8.0),
            "connect_timeout": reader.value("CONNECT_TIMEOUT", _seconds, 3.0),
            "body_timeout": reader.value("BODY_TIMEOUT", _seconds, 10.0),
            "stream_timeout": reader.value("STREAM_TIMEOUT", _seconds, 30.0),
            "admission_wait": reader.value("ADMISSION_WAIT", _seconds, 1.0),
            "max_body_bytes": reader.value("MAX_BODY_BYTES", _integer(1024, 1 << 30), 1_048_576),
        }
        if not values["lock_timeout"] < values["statement_timeout"] < values["request_deadline"]:
            reader.faults.append("KEHU_LOCK_TIMEOUT, KEHU_STATEMENT_TIMEOUT, KEHU_REQUEST_DEADLINE: each has to be smaller than the next")
        if database_url is not None and secret_key is None and not reader.failed("SECRET_KEY"):
            reader.faults.append(
                f"KEHU_SECRET_KEY: needed beside KEHU_DATABASE_URL: at least {_MIN_SECRET_LENGTH} characters, the same on every host"
            )
        if reader.faults:
            raise ConfigError(reader.faults)
        return cls(
            database_url=database_url,
            data_dir=data_dir,
            data_dir_is_default="KEHU_DATA_DIR" not in reader.environ,
            secret_key=secret_key or _kept_secret_key(data_dir),
            **values,
        )


class _Reader:
    """Reads variables one by one and remembers what was wrong with each."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def value(self, name: str, parse: Callable[[str], T], default: D) -> T | D:
        variable = f"KEHU_{name}"
        text = self.environ.get(variable, "")
        if text == "":
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append(f"{variable}: {error}")
            return default

    def failed(self, name: str) -> bool:
        return any(fault.startswith(f"KEHU_{name}:") for fault in self.faults)


def _database_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ValueError("has to be postgresql://user:password@host:port/database")
    # One driver, named once: a bare postgresql:// would leave the choice to a library's default.
    return parts._replace(scheme="postgresql+psycopg").geturl()


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _directory(text: str) -> Path:
    path = _path(text)
    if not path.is_dir():
        raise ValueError("is not a directory")
    return path


def _secret_key(text: str) -> str:
    if len(text) < _MIN_SECRET_LENGTH:
        raise ValueError(f"has to have at least {_MIN_SECRET_LENGTH} characters")
    return text


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has to be printable ASCII without spaces")
    return text


def _bind(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("has to be host:port")
    return text


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"has to be a whole number from {least} to {most}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 3600:
        raise ValueError("has to be a number of seconds from 0.01 to 3600")
    return seconds


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("has to be true or false")
    return text.lower() == "true"


def _services(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = sorted(set(names) - set(SERVICES))
    if unknown:
        raise ValueError(f"knows no {', '.join(unknown)}; there is {', '.join(SERVICES)}")
    return names


def _kept_secret_key(data_dir: Path) -> str:
    """The key of this data directory, made at the first call; one of several first callers wins and all read the same."""
    path = data_dir / "secret.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    draft = data_dir / f".secret.key.{os.getpid()}.{secrets.token_hex(4)}"
    if not path.exists():
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            # A link, unlike a rename, fails where another process came first.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
