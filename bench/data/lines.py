"""Rows as COPY takes them, and ids that are the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg

NULL = r"\N"
_CHUNK = 2000


def uuid7(milliseconds: int, dice: random.Random) -> str:
    """As the service makes them, but of a time and a chance that are given."""
    bits = dice.getrandbits(74)
    return f"{milliseconds:012x}7{bits >> 62:03x}{0x8000000000000000 | (bits & 0x3FFFFFFFFFFFFFFF):016x}"


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def array(items: Iterable[str]) -> str:
    """Of items without anything that an array would have to quote."""
    return "{" + ",".join(items) + "}"


def copy(connection: psycopg.Connection[Any], table: str, columns: Sequence[str], rows: Iterator[str]) -> None:
    """`rows` are lines without their end: tab between the values, and nothing in them to be escaped."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as writer:
        while chunk := list(islice(rows, _CHUNK)):
            writer.write("\n".join(chunk) + "\n")
