"""`kehu serve`: the database where it is ours, migrations, a first token, then gunicorn, watched until somebody says stop."""

from __future__ import annotations

import errno
import os
import queue
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

import click

from app.cli import children, migrate
from app.cli.children import Child, Program
from app.cli.tokens import first_token
from app.config import Config
from app.core import death_signal
from app.db import embedded

_POLL = 0.2
# gunicorn of an instance that was killed a moment ago still answers what it had begun.
_PORT_TIMEOUT = 5.0
# Between two starts of a database that does not stay: a first one at once, then ever slower.
_REVIVE_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
# From the start of a worker to that of the next one, where it ends by itself.
_WORKER_PAUSE = 5.0
# A database that lived this long was well.
_WELL_AFTER = 30.0


class _Stop(BaseException):
    """Somebody asked for the end before there was anything to supervise. Not to be caught as an error on the way."""


@click.command()
@click.option("--with-parent", is_flag=True, help="End when the process that started this one ends (Linux).")
def serve(with_parent: bool) -> None:
    """Serve the API, with a PostgreSQL of its own where KEHU_DATABASE_URL is not set."""
    if with_parent:
        death_signal.follow(os.getppid(), signal.SIGTERM)
    _on_signals(_raise_stop)
    config = Config.from_env()
    try:
        _check_port(config.bind)
        sys.exit(_serve(config))
    except _Stop:
        sys.exit(0)


def _serve(config: Config) -> int:
    with ExitStack() as cleanup:
        server = None
        if config.database_url is None:
            server = embedded.start(config)
            cleanup.callback(server.stop)
        url = server.url if server is not None else config.database_url
        assert url is not None
        migrate.upgrade(url, config)
        database = "KEHU_DATABASE_URL" if server is None else f"embedded, {server.home}"
        _show_banner(config.bind, database, first_token(url, config))
        supervisor = _Supervisor(server)
        _on_signals(supervisor.take_signal)
        supervisor.start([children.gunicorn(), children.worker()], _environment(config, url))
        return supervisor.run()


@dataclass(slots=True)
class _Supervisor:
    """Keeps the database alive and its children company; ends when one of them does, or at SIGTERM or SIGINT."""

    server: embedded.Server | None
    running: list[Child] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    _signals: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    _revived_at: float = 0.0
    _revivals: int = 0

    def take_signal(self, number: int, _: FrameType | None) -> None:
        # A SimpleQueue may be filled by a handler in the midst of being read.
        self._signals.put(number)

    def start(self, programs: Sequence[Program], environment: dict[str, str]) -> None:
        self.environment = environment
        for program in programs:
            self.running.append(children.start(program, environment))

    def run(self) -> int:
        """The exit code of `kehu serve`."""
        while True:
            number = self._next_signal()
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop_children()
                return 0
            if number == signal.SIGHUP:
                for child in self.running:
                    child.send(signal.SIGHUP)
            for child in list(self.running):
                if (code := child.process.poll()) is not None and not self._revive(child, code):
                    _say(f"{child.program.name} ended by itself ({_ending(code)}); stopping.")
                    self._stop_children()
                    return 1
            self._keep_database()

    def _revive(self, child: Child, code: int) -> bool:
        """Whether `child`, which ended, is one to be started again; which is not done at once, should it end at once."""
        if not child.program.revived:
            return False
        if time.monotonic() - child.began > _WORKER_PAUSE:
            _say(f"{child.program.name} ended by itself ({_ending(code)}); starting it again.")
            self.running[self.running.index(child)] = children.start(child.program, self.environment)
        return True

    def _next_signal(self) -> int | None:
        try:
            return self._signals.get(timeout=_POLL)
        except queue.Empty:
            return None

    def _stop_children(self) -> None:
        for child in self.running:
            child.send(signal.SIGTERM)
        for child in self.running:
            child.wait_or_kill()

    def _keep_database(self) -> None:
        """Starts a database that was killed again; the requests meanwhile answer 503, and heal by themselves."""
        if self.server is None or (code := self.server.poll()) is None:
            return
        now = time.monotonic()
        if now - self._revived_at > _WELL_AFTER:
            self._revivals = 0
        if now - self._revived_at < _REVIVE_PAUSES[min(self._revivals, len(_REVIVE_PAUSES) - 1)]:
            return
        _say(f"PostgreSQL ended ({_ending(code)}); starting it again.")
        try:
            self.server.revive()
        except (OSError, embedded.EmbeddedPostgresError) as error:
            _say(str(error))
        self._revived_at = now
        self._revivals += 1


def _on_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


def _raise_stop(number: int, _: FrameType | None) -> NoReturn:
    raise _Stop(number)


def _check_port(bind: str) -> None:
    """Raises ClickException where gunicorn could not listen: known before a database is started, not a minute later."""
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    give_up = time.monotonic() + _PORT_TIMEOUT
    while True:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host.strip("[]"), int(port)))
                return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise click.ClickException(f"KEHU_BIND: {bind} cannot be listened on: {error.strerror}.") from error
            if time.monotonic() > give_up:
                raise click.ClickException(f"{bind} is in use by another program: set KEHU_BIND to another host:port.") from error
        time.sleep(_POLL)


def _environment(config: Config, url: str) -> dict[str, str]:
    """What the children see: the settings of this process, with what it found or made itself said outright."""
    return {
        **os.environ,
        "KEHU_DATABASE_URL": url,
        "KEHU_SECRET_KEY": config.secret_key,
        "KEHU_DATA_DIR": str(config.data_dir),
    }


def _show_banner(bind: str, database: str, token: str | None) -> None:
    address = f"http://{bind}"
    lines = ["", f"  Kehu           {address}", f"  Documentation  {address}/docs", f"  Database       {database}"]
    if token is not None:
        lines += ["", "  The first token, which may do everything. It is shown only now:", "", f"      {token}"]
    click.echo("\n".join([*lines, ""]))
    # Where the output is a file or a pipe, the token must be there before anything can go wrong.
    sys.stdout.flush()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _say(sentence: str) -> None:
    click.echo(f"kehu: {sentence}", err=True)
