"""Child processes of `kehu serve`: how one is started, asked to stop, and ended where it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.core import death_signal

# gunicorn.conf.py and wsgi.py stand beside the package.
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `patience`: seconds it may take from SIGTERM to its end; `revived`: whether it is started again where it ends."""

    name: str
    argv: tuple[str, ...]
    patience: float
    revived: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """A running Program."""

    program: Program
    process: subprocess.Popen[bytes]
    # On the monotonic clock.
    began: float = field(default_factory=time.monotonic)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_or_kill(self) -> None:
        """Waits for the end that was asked for; after the program's patience ends it and all its descendants."""
        try:
            self.process.wait(self.program.patience)
        except subprocess.TimeoutExpired:
            # Its session is its own, so this hits nobody else.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def gunicorn() -> Program:
    # Five seconds more than gunicorn's own graceful_timeout, which ends what is left itself.
    argv = (sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "wsgi:app")
    return Program("gunicorn", argv, patience=30.0)


def worker() -> Program:
    # Longer than its own patience with a step; what it does not finish, it does again.
    return Program("kehu worker", (sys.executable, "-m", "app.cli", "worker"), patience=25.0, revived=True)


def start(program: Program, environment: Mapping[str, str]) -> Child:
    process = subprocess.Popen(
        program.argv,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        # Ctrl-C reaches the supervisor alone, which stops its children in order.
        start_new_session=True,
        preexec_fn=death_signal.in_child(signal.SIGTERM),
    )
    return Child(program, process)
