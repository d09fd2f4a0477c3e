"""The answer of an import, line by line: what became of each line that was sent, and of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from app.cli.client import Broken
from app.core.syncing import Outcome

# Any: JSON.
Json = Mapping[str, Any]

_REFUSED = Outcome.FAILED.value
_ENDED = "ended"


class Results:
    """Fed with the answer as it comes. `on_result` gets the line of each result, and where it is a refusal all of it."""

    def __init__(self, on_result: Callable[[int, Json | None], None]) -> None:
        self._on_result = on_result
        self._begun = b""
        self.counts: Counter[str] = Counter()
        # The last one that has a result.
        self.line = 0
        # What ended the import early.
        self.ended: Json | None = None
        self.summary: Json | None = None

    @property
    def done(self) -> int:
        return self.counts.total()

    @property
    def refused(self) -> int:
        return self.counts[_REFUSED]

    def feed(self, piece: bytes) -> None:
        """Raises Broken where it is no result."""
        *lines, self._begun = (self._begun + piece).split(b"\n")
        try:
            for line in lines:
                self._take(orjson.loads(line))
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise Broken("what came is no answer of an import") from error

    def _take(self, result: Json) -> None:
        if "summary" in result:
            self.summary = result["summary"]
        elif (outcome := result["outcome"]) == _ENDED:
            self.ended = result
        else:
            self.line = result["line"]
            self.counts[outcome] += 1
            self._on_result(self.line, result if outcome == _REFUSED else None)

    def words(self) -> str:
        """How many of each, such as `12 created, 1 refused`."""
        names = {_REFUSED: "refused"}
        return ", ".join(f"{self.counts[one.value]:,} {names.get(one.value, one.value)}" for one in Outcome if self.counts[one.value])
