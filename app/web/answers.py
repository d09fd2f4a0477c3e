"""What a view returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson


@dataclass(slots=True)
class Answer:
    """A plain row, dumped by the operation's schema; or `dumped` already, by a page for each item or by the database."""

    # Any: rows of any feature; JSON.
    value: Any = None
    dumped: dict[str, Any] | orjson.Fragment | None = None
    status: HTTPStatus | None = None
    # The inside of the ETag, without quotes.
    tag: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    # Nothing happened yet: a caller who said so waits for it.
    nothing_yet: bool = False
