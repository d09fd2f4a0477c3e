"""Column types that SQLAlchemy has no name for, and how values become JSON for the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any

import orjson
import psycopg
from psycopg.types.numeric import Int8BinaryLoader, IntLoader
from sqlalchemy import DateTime, Numeric, Text, TypeDecorator, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType

# Aware, and UTC once inside: the connection's time zone is set to it.
Timestamp = DateTime(timezone=True)
# The default of a time of writing: that of the transaction, `UnitOfWork.now`. Who writes thousands of rows need not send it with each.
NOW = text("now()")
# The columns of versioned rows that have it.
WRITTEN_AT = ("created_at", "updated_at")


# Between two values written at once, and in none of them: a string has its line ends escaped.
LINE_END = b",\n,"
_BREAK = orjson.Fragment(b"\n")

# An escape of JSON's, those that an array has too, and whether there is one that it has not.
_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
_ARRAY_ESCAPES = ('"', "\\")
_FOREIGN = re.compile(r"(?<!\\)(?:\\\\)*\\[^\\\"]")

_JSON_OPTIONS = orjson.OPT_UTC_Z


def to_json(value: object) -> str:
    """JSON as PostgreSQL reads it into rows: times in UTC, bytes as a bytea is written."""
    return to_json_bytes(value).decode()


def to_json_bytes(value: object) -> bytes:
    """As `to_json`, in UTF-8."""
    return orjson.dumps(value, option=_JSON_OPTIONS, default=_as_bytea)


def to_json_lines(values: Sequence[object]) -> bytes:
    """As `to_json_bytes` of each value, with LINE_END between two: a call for each would cost as much as a short value itself."""
    spaced: list[object] = [_BREAK] * (2 * len(values) - 1)
    spaced[::2] = values
    return to_json_bytes(spaced)[1:-1]


def to_array(values: Collection[object]) -> str:
    """As PostgreSQL reads an array of what JSON writes as strings or numbers; None is NULL."""
    # orjson writes an id in a sixth of the time that Python takes, and an array may quote what it holds.
    written = to_json(list(values))[1:-1]
    # An array knows but two of JSON's escapes, and anything as it is.
    if "\\" in written and _FOREIGN.search(written):
        written = _ESCAPE.sub(_unescaped, written)
    return "{" + written + "}"


def _to_array_of_documents(values: Collection[object]) -> str:
    """As `to_array`, of the JSON of each value."""
    return to_array(to_json_lines(list(values)).decode().split(LINE_END.decode()) if values else ())


def _unescaped(found: re.Match[str]) -> str:
    whole = found[0]
    return whole if whole[1] in _ARRAY_ESCAPES else str(orjson.loads(f'"{whole}"'))


def _as_bytea(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError
    return "\\x" + value.hex()


class Exact(TypeDecorator[str]):
    """A decimal of any length, every digit kept: `numeric` in the database, its text in Python, as it is answered."""

    impl = Numeric
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else format(value, "f")


class WrittenJson(TypeDecorator[Any]):
    """JSON, kept as the text that we wrote: of a `json` the server would look whether it is one, a fifth of what an event costs it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id (`xid8`), an int in Python; it has no arithmetic, only an order."""

    cache_ok = True
    # psycopg would send a number as bigint, which does not compare with xid8.
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:  # Any: SQLAlchemy's own signature
        return "xid8"

    def bind_processor(self, dialect: Dialect) -> Callable[[int | None], str | None]:
        return lambda value: None if value is None else str(value)


class Several(UserDefinedType[Collection[Any]]):
    """Values of one type of the database as one value. Sent as an array's text, since psycopg would write it value by value in Python; and
    as a value of that type, since a text that a statement makes an array of, it makes anew for each row that it looks at (1.7 s for a
    thousand ids in a table of a thousand)."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, of: str) -> None:
        """`of`: the type's name."""
        self.of = of

    def get_col_spec(self, **_: Any) -> str:  # Any: SQLAlchemy's own signature
        return f"{self.of}[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Collection[Any] | None], str | None]:
        write = _to_array_of_documents if self.of == "jsonb" else to_array
        return lambda values: None if values is None else write(values)


Ids = Several("uuid")


# What reflection finds in a database is the same type, or every check of the migrations would warn of an unknown one.
PGDialect.ischema_names["xid8"] = Xid8

# The driver does not know the type (its number is that of pg_type.dat) and would give its text, or its bytes. Said here, where whoever has
# such a column comes by before there is a connection, which takes over what is known when it is made.
_XID8 = 5069
psycopg.adapters.register_loader(_XID8, IntLoader)
psycopg.adapters.register_loader(_XID8, Int8BinaryLoader)
