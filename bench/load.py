"""Load by wrk, a compiled client: requests from a file, over one connection or sixteen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_SCRIPT = Path(__file__).with_name("replay.lua")
# In a request: a number that no other request of the run had.
NUMBER = "@" * 10


class LoadError(Exception):
    """A measurement that says nothing."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: str = ""
    headers: str = ""

    @property
    def line(self) -> str:
        assert not any(sign in part for part in (self.path, self.headers, self.body) for sign in "\t\n")
        return f"{self.method}\t{self.path}\t{self.headers}\t{self.body}\n"


@dataclass(frozen=True)
class Measured:
    """Requests a second that were answered as they should be, and how many milliseconds all took."""

    rate: float
    p50: float
    p99: float
    refused: int


@dataclass
class Numbers:
    """What was used up: lines that may be sent only once, and numbers."""

    lines: int = 0
    numbers: int = 0


@dataclass(frozen=True)
class Load:
    """Requests that can be sent to any port."""

    file: Path
    token: str
    used: Numbers = field(default_factory=Numbers)
    # Which share of the answers may be 503: sixteen long requests may be more than the service takes at once, as it says itself.
    refused_max: float = 0.01

    def run(self, port: int, *, connections: int, seconds: float) -> Measured:
        """Raises LoadError where more than a few answers were 400 or more, or there was none."""
        told = subprocess.run(
            [
                *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"),
                *("--timeout", "20s", "--script", str(_SCRIPT), f"http://127.0.0.1:{port}", "--"),
                *(str(self.file), str(self.used.lines), str(self.used.numbers), f"Bearer {self.token}"),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found = json.loads(told.strip().splitlines()[-1])
        # What was under way at the end counts too.
        self.used.lines += found["requests"] + connections
        self.used.numbers += found["requests"] + connections
        asked, refused, broken = found["requests"], found["refused"], found["broken"]
        if broken or refused > max(1, asked * self.refused_max) or asked == refused:
            raise LoadError(f"{self.file.stem}: {refused} answers of {asked} refused, {broken} broken")
        return Measured((asked - refused) / found["microseconds"] * 1e6, found["p50"] / 1000, found["p99"] / 1000, refused)

    def take(self, count: int) -> list[list[str]]:
        """The next requests, to be sent by hand: method, path, more headers, body."""
        with self.file.open() as lines:
            known = lines.read().splitlines()
        found = []
        for _ in range(count):
            self.used.numbers += 1
            found.append(known[self.used.lines % len(known)].replace(NUMBER, f"{self.used.numbers:010}").split("\t"))
            self.used.lines += 1
        return found


def write_requests(file: Path, requests: Iterable[Request]) -> None:
    with file.open("w") as out:
        out.writelines(request.line for request in requests)


def need_wrk() -> None:
    if shutil.which("wrk") is None:
        sys.exit("The bench measures with wrk, which is not installed (Debian and Ubuntu: apt install wrk; macOS: brew install wrk).")
