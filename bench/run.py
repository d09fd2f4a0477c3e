"""What all measurements of one run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.data.store import Store
from bench.load import Load
from bench.processes import Process
from bench.table import Table

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Run:
    store: Store
    service: Process
    token: str
    table: Table
    # By path.
    loads: Mapping[str, Load]
    # How often each of two is measured, and how long.
    rounds: int
    seconds: float
    quick: bool

    def file(self, name: str) -> Path:
        return self.store.home / name

    def in_turn(self, ours: Callable[[], A], floor: Callable[[], B], *, rounds: int | None = None) -> tuple[list[A], list[B]]:
        """A B A B, since a machine's speed drifts; as often as the run has rounds, unless `rounds` is said."""
        first: list[A] = []
        second: list[B] = []
        for _ in range(self.rounds if rounds is None else rounds):
            first.append(ours())
            second.append(floor())
        return first, second
