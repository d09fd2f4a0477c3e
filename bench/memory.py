"""How much memory what is measured takes, over time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.processes import Process

# A look at all processes takes sixteen milliseconds of a processor that is measured.
_EVERY_SECONDS = 1.0


@dataclass
class Curve:
    megabytes: list[float] = field(default_factory=list)

    @property
    def most(self) -> float:
        return max(self.megabytes)

    @property
    def growth(self) -> float:
        """From the end of the first fifth, when all is warm, to the most of the last."""
        fifth = max(1, len(self.megabytes) // 5)
        return max(self.megabytes[-fifth:]) - self.megabytes[fifth - 1]


@contextmanager
def watched(process: Process) -> Iterator[Curve]:
    curve = Curve([process.resident_mb()])
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY_SECONDS):
            curve.megabytes.append(process.resident_mb())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield curve
    finally:
        over.set()
        thread.join()
