"""Rows as COPY reads them, and COPY itself: the way in for rows that can be in no other's way, at half of what an INSERT costs the server.

For keys, which others may have, COPY knows no ON CONFLICT: `app.db.key_table` says how it is used all the same.
"""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from typing import Any

from sqlalchemy import ARRAY, JSON, BigInteger, Connection, Integer, LargeBinary, Table
from sqlalchemy.types import TypeEngine

from app.db.columns import LINE_END, WrittenJson, Xid8, to_array, to_json_lines
from app.db.engines import driver_connection

# Any: column values.

# Rows that are written at once: as many as make the way from column to column cheap, and so few that the server has something to do
# while the next are made.
ROWS = 100

_NULL = rb"\N"
_NOTHING: Sequence[Any] = (None, {}, [])
# An escape, or what only looks like one behind a backslash that stands for itself.
_ESCAPE = re.compile(rb"\\(?:u00([0-9a-f]{2})|.)")


class Copying:
    """COPY into some columns of a table."""

    def __init__(self, table: Table, names: Sequence[str], *, of: Sequence[str] | None = None) -> None:
        """`of`: the columns of the rows that will come, where these are more than `names`, or in another order."""
        self.statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
        self._columns = [((of or names).index(name), _writer(table.c[name].type)) for name in names]

    def texts(self, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """What `UnitOfWork.copy` takes; each text is made when it is asked for, and each row before."""
        following = iter(rows)
        while some := list(islice(following, ROWS)):
            given = list(zip(*some, strict=True))
            written = [_column(writer, given[place]) for place, writer in self._columns]
            yield b"\n".join(map(b"\t".join, zip(*written, strict=True))) + b"\n"


class OpenCopy:
    """A COPY under way, during which nothing else may be asked of its connection. Raises psycopg's errors, as they are."""

    def __init__(self, copying: Copying, db: Connection) -> None:
        self.copying = copying
        with ExitStack() as entered:
            cursor = entered.enter_context(driver_connection(db).cursor())
            self._copy = entered.enter_context(cursor.copy(copying.statement))
            self._entered = entered.pop_all()

    def write(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            self._copy.write(text)

    def close(self) -> None:
        """All rows are there. Raises what is wrong with one of them too."""
        self._entered.close()

    def give_up(self) -> None:
        """None of them is, and the transaction has failed."""
        with suppress(Exception):
            self._entered.__exit__(_GivenUp, _GivenUp(), None)


class _GivenUp(Exception):
    """For the driver, which tells the server."""


def _writer(kind: TypeEngine[Any]) -> Callable[[Sequence[Any]], Sequence[bytes]]:
    if isinstance(kind, (JSON, WrittenJson)):
        return _documents
    if isinstance(kind, ARRAY):
        return _arrays
    if isinstance(kind, LargeBinary):
        return _bytes
    return _numbers if isinstance(kind, (Integer, BigInteger, Xid8)) else _strings


def _column(writer: Callable[[Sequence[Any]], Sequence[bytes]], values: Sequence[Any]) -> Sequence[bytes]:
    first = values[0]
    # Often they are all the same: versions, times of writing, what nobody has said. Documents are not compared, since 1 is equal to true,
    # but where they are written already or hold nothing.
    is_comparable = writer is not _documents or isinstance(first, bytes) or first in _NOTHING
    if is_comparable and first == values[-1] and values.count(first) == len(values):
        return [_NULL if first is None else writer((first,))[0]] * len(values)
    there = [value for value in values if value is not None]
    if len(there) == len(values):
        return writer(values)
    following = iter(writer(there))
    return [_NULL if value is None else next(following) for value in values]


def _strings(values: Sequence[Any]) -> Sequence[bytes]:
    """Of what is a string in JSON. The escapes of JSON are those of COPY, all but one."""
    written = to_json_lines(values)
    if rb"\u00" in written:
        written = _ESCAPE.sub(lambda found: found[0] if found[1] is None else rb"\x" + found[1], written)
    return written[1:-1].split(b'"' + LINE_END + b'"')


def _bytes(values: Sequence[bytes]) -> Sequence[bytes]:
    return [rb"\\x" + hexlify(value) for value in values]


def _numbers(values: Sequence[int]) -> Sequence[bytes]:
    return to_json_lines(values).split(LINE_END)


def _documents(values: Sequence[Any]) -> Sequence[bytes]:
    """Of values that are all JSON already, as bytes, or none of them. Long ones take longer together than each by itself."""
    if isinstance(values[0], bytes):
        return [value.replace(b"\\", rb"\\") for value in values]
    return to_json_lines(values).replace(b"\\", rb"\\").split(LINE_END)


def _arrays(values: Sequence[Sequence[str]]) -> Sequence[bytes]:
    """Written in an array as in JSON, unless a string has something to escape: the array's own escapes know no line end."""
    written = to_json_lines(values)
    if b"\\" in written:
        return _strings([to_array(items) for items in values])
    return [b"{" + items + b"}" for items in written[1:-1].split(b"]" + LINE_END + b"[")]
