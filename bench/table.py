"""The table: what was measured, against what, and how far apart two measurements of the same were."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.load import Measured

_HEAD = ("path", "conn.", "unit", "a second", "p50 ms", "p99 ms", "floor", "ratio", "aim", "MB")


@dataclass
class Table:
    """Prints a row as soon as it is known, in Markdown."""

    spreads: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def head(self) -> None:
        print(f"| {' | '.join(_HEAD)} |\n|{'|'.join('---' if index < 3 else '---:' for index in range(len(_HEAD)))}|", flush=True)

    def served(
        self, path: str, connections: int, ours: Sequence[Measured], floor: Sequence[Measured], *, aim: float | None, megabytes: float
    ) -> float:
        """Requests; the ratio."""
        middle = sorted(ours, key=lambda one: one.rate)[len(ours) // 2]
        rates = [one.rate for one in floor]
        times = (f"{middle.p50:.2f}", f"{middle.p99:.2f}")
        refused = sum(one.refused for one in ours)
        if refused:
            self.notes.append(f"{path}, {connections}: {refused} answers were 503.")
        return self.rates(path, [one.rate for one in ours], rates, connections=connections, times=times, aim=aim, megabytes=megabytes)

    def rates(
        self,
        path: str,
        ours: Sequence[float],
        floor: Sequence[float],
        *,
        connections: int = 1,
        unit: str = "requests",
        times: tuple[str, str] = ("", ""),
        aim: float | None = None,
        megabytes: float | None = None,
    ) -> float:
        """Anything of which more a second is better; the ratio."""
        rate, bound = statistics.median(ours), statistics.median(floor)
        ratio = rate / bound
        self.spreads.append((max(floor) - min(floor)) / bound)
        if aim is not None and ratio < aim:
            self.missed.append(f"{path}, {connections}: {ratio:.2f} < {aim:.2f}")
        told = (f"{rate:,.0f}", *times, f"{bound:,.0f}", f"{ratio:.2f}", _aim(aim), f"{megabytes:.0f}" if megabytes else "")
        self.row(path, str(connections), unit, *told)
        return ratio

    def row(self, *cells: str) -> None:
        print(f"| {' | '.join(cells)} |", flush=True)

    def failed(self, path: str, error: Exception) -> None:
        """A path that could not be measured must not cost the others."""
        self.notes.append(f"{path}: {error}")
        self.row(path, *["-"] * (len(_HEAD) - 1))

    def foot(self) -> None:
        print("".join(f"\n{note}" for note in self.notes))
        if self.spreads:
            print(f"Noise: rounds of one floor lay {statistics.median(self.spreads):.0%} apart (median), at most {max(self.spreads):.0%}.")
        print(f"Missed: {'; '.join(self.missed) or 'nothing'}.", flush=True)


def _aim(aim: float | None) -> str:
    return "" if aim is None else f">= {aim:.2f}"
