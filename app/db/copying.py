"""Rows as COPY reads them, and COPY itself: the way in for rows that can be in no other's way, at half of what an INSERT costs the server.

For keys, which others may have, COPY knows no ON CONFLICT; and on Citus its violations have a code of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, Integer, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from app.db.columns import Xid8, to_json_bytes, to_json_lines
from app.db.engines import driver_connection

# Any: column values.

_NULL = rb"\N"

# What orjson puts between two strings of a list: in a string it writes no line end.
_BETWEEN = b'",\n  "'
_BEGINNING, _END = b'[\n  "', b'"\n]'
# An escape, or what only looks like one behind a backslash that stands for itself.
_ESCAPE = re.compile(rb"\\(?:u00([0-9a-f]{2})|.)")


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows on their way to a table."""

    statement: str
    data: bytes


def copied(table: Table, columns: Mapping[str, Sequence[Any]]) -> Copied:
    """Rows, one at least, of which `columns` holds the values by column: what goes to the database, made without it.

    A column that is null in every row is left out, as most are.
    """
    names, texts = [], []
    for name, values in columns.items():
        there = [value for value in values if value is not None]
        if there:
            written = _writer(table.c[name].type)(there)
            if len(there) < len(values):
                following = iter(written)
                written = [_NULL if value is None else next(following) for value in values]
            names.append(name)
            texts.append(written)
    return Copied(f"COPY {table.name} ({', '.join(names)}) FROM STDIN", b"\n".join(map(b"\t".join, zip(*texts, strict=True))))


def send(db: Connection, rows: Copied) -> None:
    """Insert the rows in their order. Raises psycopg's errors, as they are."""
    with driver_connection(db).cursor() as cursor, cursor.copy(rows.statement) as copy:
        copy.write(rows.data)


def _writer(kind: TypeEngine[Any]) -> Callable[[Sequence[Any]], Sequence[bytes]]:
    if isinstance(kind, JSONB):
        return _documents
    if isinstance(kind, ARRAY):
        return _arrays
    return _numbers if isinstance(kind, (Integer, BigInteger, Xid8)) else _strings


def _strings(values: Sequence[Any]) -> Sequence[bytes]:
    """Of what is a string in JSON. The escapes of JSON are those of COPY, all but one."""
    written = to_json_lines(values)
    if rb"\u00" in written:
        written = _ESCAPE.sub(lambda found: found[0] if found[1] is None else rb"\x" + found[1], written)
    return written[len(_BEGINNING) : -len(_END)].split(_BETWEEN)


def _numbers(values: Sequence[int]) -> Sequence[bytes]:
    return to_json_bytes(values)[1:-1].split(b",")


def _documents(values: Sequence[Any]) -> Sequence[bytes]:
    return [to_json_bytes(value).replace(b"\\", rb"\\") for value in values]


def _arrays(values: Sequence[Sequence[str]]) -> Sequence[bytes]:
    return [_array(items) for items in values]


def _array(items: Sequence[str]) -> bytes:
    """Written in an array as in JSON, unless a string has something to escape: the array's own escapes know no line end."""
    written = to_json_bytes(items)
    if b"\\" not in written:
        return b"{" + written[1:-1] + b"}"
    quoted = ('"' + item.replace("\\", r"\\").replace('"', r"\"") + '"' for item in items)
    return _strings(["{" + ",".join(quoted) + "}"])[0]
