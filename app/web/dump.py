"""From plain rows to what orjson writes, compiled once from a schema.

marshmallow's own dump asks every field of every row the same questions again. What is left when they are asked once is to read the
attributes and put them under their names, since orjson itself writes times, dates and ids as our fields do. That both give the same
bytes is tested for every schema.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, Protocol

import marshmallow
import orjson

from app.web import fields
from app.web.schemas import Schema

# Any: rows of any feature in, JSON out.
Dump = Callable[[Any], dict[str, Any] | orjson.Fragment]

_OPTIONS = orjson.OPT_UTC_Z


class Written(Protocol):
    """A row that the database wrote as JSON, see `app.db.shown`."""

    @property
    def json(self) -> str: ...


class WrittenOrKnown(Protocol):
    """A row that the database wrote as JSON where the caller does not have it, see `app.db.shown.unless_known`."""

    @property
    def json(self) -> str | None: ...


def written(row: Written) -> orjson.Fragment:
    """What the database wrote, as it is."""
    return orjson.Fragment(row.json)


def written_or_known(row: WrittenOrKnown) -> orjson.Fragment | None:
    """The same, and None of what the caller has already: he is told that it is, and nothing else."""
    return None if row.json is None else orjson.Fragment(row.json)


def to_bytes(value: Any) -> bytes:
    """JSON in UTF-8; times in UTC ending in Z, microseconds kept."""
    return orjson.dumps(value, option=_OPTIONS)


@cache
def compiled(kind: type[Schema]) -> Dump:
    """The dump of `kind`, for rows with attributes."""
    return _compile(kind(), attrgetter)


def _compile(schema: Schema, getter: Callable[..., Callable[[Any], Any]]) -> Dump:
    same_row = {name: _compile(_schema(field), getter) for name, field in schema.dump_fields.items() if isinstance(field, fields.SameRow)}
    sources = {name: field.attribute or name for name, field in schema.dump_fields.items() if name not in same_row}
    nested = {name: found for name in sources if (found := _inner(schema.dump_fields[name])) is not None}
    names = tuple(sources)
    # One name more than there is, since a getter of a single name gives no tuple; and of none there is no getter.
    read = getter(*sources.values(), *list(sources.values())[:1]) if sources else lambda _: ()

    def dump(row: Any) -> dict[str, Any]:
        values = dict(zip(names, read(row), strict=False))
        for name, below in nested.items():
            values[name] = below(values[name])
        for name, below in same_row.items():
            values[name] = below(row)
        return values

    return dump


def _inner(field: marshmallow.fields.Field[Any]) -> Callable[[Any], Any] | None:
    """How the value of `field` is dumped, None where orjson writes it as it is."""
    if isinstance(field, fields.Written):
        return None
    if isinstance(field, marshmallow.fields.Nested):
        # A dict, as it came from jsonb.
        below = _compile(_schema(field), itemgetter)
        return lambda value: None if value is None else below(value)
    if isinstance(field, marshmallow.fields.List):
        item = _inner(field.inner)
        return None if item is None else lambda values: None if values is None else [item(value) for value in values]
    return None


def _schema(field: marshmallow.fields.Nested) -> Schema:
    schema = field.schema
    assert isinstance(schema, Schema)
    return schema
