"""The `kehu` command as its users run it: a process of its own, against a service that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.live import ROOT

PATIENCE = 120


@dataclass(frozen=True)
class Ran:
    """What a command that ended left behind."""

    code: int
    output: bytes
    told: str


def command(url: str, token: str, *arguments: str | Path) -> dict[str, Any]:
    """What to give to `subprocess`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KEHU_", "PROMETHEUS_"))}
    environment |= {"KEHU_URL": url, "COLUMNS": "120"} | ({"KEHU_TOKEN": token} if token else {})
    return {"args": [sys.executable, "-m", "app.cli", *map(str, arguments)], "cwd": ROOT, "env": environment}


def run(url: str, token: str, *arguments: str | Path, sent: bytes = b"") -> Ran:
    done = subprocess.run(**command(url, token, *arguments), input=sent, capture_output=True, timeout=PATIENCE, check=False)
    told = done.stderr.decode()
    assert "Traceback" not in told, told
    return Ran(done.returncode, done.stdout, told)


def ndjson(rows: Iterable[Any]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def read(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
