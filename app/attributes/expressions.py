"""Attributes as SQL: one expression for each name and type, the same in rules, in sorting and in an index.

What was kept before it was defined may be anything: a value that is not of the type is as good as none, and never an error; so is, where
the attribute is indexed, a text that no index has room for (a list's index keeps a hash of each long text instead). All of it is
IMMUTABLE, since it may be indexed; so dates are made by `make_date` of what a pattern let through, where a cast would be only STABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Date, DateTime, Float, Integer, Numeric, Text, case, cast, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB

from app.attributes.definition import Definition
from app.core import limits
from app.rules.catalogue import Expression
from app.rules.lists import JsonArray, ListColumn

# Any: a JSONB column.

_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DATE = (
    "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z"


def scalar(attributes: Any, definition: Definition) -> Expression:
    """The value of the attribute, NULL where there is none of its type."""
    if definition.indexed and definition.type in _WITH_TEXTS:
        return _short_text(attributes, definition.name)
    return _SCALARS[definition.type](attributes, definition.name)


def sort_key(attributes: Any, definition: Definition) -> Expression:
    """What customers are sorted by: of a text its beginning, since it goes into cursors. One that is indexed is as short anyway."""
    value = scalar(attributes, definition)
    if definition.indexed or definition.type not in _WITH_TEXTS:
        return value
    return func.left(value, literal_column(str(limits.ATTRIBUTE_SORTED_TEXT_MAX)), type_=Text)


def texts(attributes: Any, name: str) -> ListColumn:
    return JsonArray(json_list(attributes, name))


def json_list(attributes: Any, name: str) -> ColumnElement[Any]:
    return _where_type("array", attributes, name, attributes.op("->", return_type=JSONB())(name))


def _where_type(kind: str, attributes: Any, name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((_is_of_type(kind, attributes, name), value))


def _is_of_type(kind: str, attributes: Any, name: str) -> ColumnElement[bool]:
    return func.jsonb_typeof(attributes.op("->", return_type=JSONB())(name)) == _constant(kind)


def _plain(attributes: Any, name: str) -> ColumnElement[str]:
    text: ColumnElement[str] = attributes.op("->>", return_type=Text())(name)
    return text


def _text(attributes: Any, name: str) -> Expression:
    return _where_type("string", attributes, name, _plain(attributes, name))


def _short_text(attributes: Any, name: str) -> Expression:
    text = _plain(attributes, name)
    fits = func.char_length(text) <= literal_column(str(limits.ATTRIBUTE_INDEXED_TEXT_MAX), Integer)
    return case((_is_of_type("string", attributes, name) & fits, text))


def _number(attributes: Any, name: str) -> Expression:
    return _where_type("number", attributes, name, cast(_plain(attributes, name), Numeric))


def _boolean(attributes: Any, name: str) -> Expression:
    return _where_type("boolean", attributes, name, cast(_plain(attributes, name), Boolean))


def _date(attributes: Any, name: str) -> Expression:
    text = _plain(attributes, name)
    return case((_is_like(text, f"^{_DATE}$"), func.make_date(*_date_parts(text), type_=Date)))


def _timestamp(attributes: Any, name: str) -> Expression:
    text = _plain(attributes, name)
    clock = _part(text, 12, 2, Integer()), _part(text, 15, 2, Integer()), cast(func.rtrim(_substr(text, 18, 9), _constant("Z")), Float(53))
    made = func.timezone(_constant("UTC"), func.make_timestamp(*_date_parts(text), *clock), type_=DateTime(timezone=True))
    return case((_is_like(text, f"^{_DATE}T{_TIME}$"), made))


def _is_like(text: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    # The year 0 is none to make_date.
    return text.op("~", is_comparison=True)(_constant(pattern)) & (_substr(text, 1, 4) != _constant("0000"))


def _date_parts(text: ColumnElement[str]) -> tuple[Expression, ...]:
    return tuple(_part(text, start, length, Integer()) for start, length in ((1, 4), (6, 2), (9, 2)))


def _part(text: ColumnElement[str], start: int, length: int, kind: Any) -> Expression:
    return cast(_substr(text, start, length), kind)


def _substr(text: ColumnElement[str], start: int, length: int) -> ColumnElement[str]:
    return func.substr(text, literal_column(str(start)), literal_column(str(length)), type_=Text)


def _constant(value: str) -> ColumnElement[str]:
    """One of ours, in the SQL itself."""
    return literal_column(f"'{value}'", Text)


_WITH_TEXTS = ("string", "enum")

_SCALARS: Mapping[str, Callable[[Any, str], Expression]] = {
    "string": _text,
    "enum": _text,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
}
