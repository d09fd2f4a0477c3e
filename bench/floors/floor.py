"""What a floor is: one path, its statements by psycopg, and nothing else that a service does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

# Any: psycopg's rows, and JSON.

Parts = Mapping[str, str]
# From the parts of the address and the body to the answer's body.
Answer = Callable[[psycopg.Connection[Any], Parts, bytes], bytes]


@dataclass(frozen=True)
class Floor:
    """`parts` of `answer` are those of `rule` and the query's."""

    rule: str
    answer: Answer
    round_trips: int
    method: str = "GET"
    status: int = 200


def connect(url: str) -> psycopg.Connection[Any]:
    """In autocommit, everything prepared at its first use."""
    connection = psycopg.connect(url, autocommit=True)
    connection.prepare_threshold = 0
    return connection
