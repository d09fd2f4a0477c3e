"""How the cells of a CSV record become the members of an object: by what the schema says of each field."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import marshmallow

from app.core import cells
from app.core.faults import Fault
from app.web import fields, gate
from app.web.problems import HttpProblem
from app.web.schemas import Schema

# Any: JSON.

# Puts a cell's text into an object. Raises Fault.
Put = Callable[[dict[str, Any], str], None]


class Columns:
    """The columns that a schema takes: each field by its name, and `<field>.<member>` of those that are maps or objects."""

    def __init__(self, schema: Schema) -> None:
        self._puts: dict[str, Put] = {}
        # What becomes of the cell of a member that only its name tells.
        self._maps: dict[str, Callable[[str], str]] = {}
        for key, field in schema.load_fields.items():
            name = field.data_key or key
            self._puts[name] = _put(name, _reading(field))
            if isinstance(field, marshmallow.fields.Dict):
                self._maps[name] = cells.Cell if isinstance(field, fields.Attributes) else _text
            elif isinstance(field, marshmallow.fields.Nested):
                for member in _members(field):
                    self._puts[f"{name}.{member}"] = _put_member(name, member, _text)

    @property
    def names(self) -> list[str]:
        """Those that can be named; of maps there are more."""
        return [*self._puts, *(f"{name}.<name>" for name in sorted(self._maps))]

    def __call__(self, name: str) -> Put | None:
        """How to put a cell of the column `name`; None where there is no such column."""
        if name in self._puts:
            return self._puts[name]
        field, dot, member = name.partition(".")
        return _put_member(field, member, self._maps[field]) if dot and member and field in self._maps else None


@cache
def of(kind: type[Schema]) -> Columns:
    return Columns(kind())


def _put(name: str, read: Callable[[str], Any]) -> Put:
    def put(data: dict[str, Any], cell: str) -> None:
        value = read(cell)
        # Members that came of columns of their own stay.
        if isinstance(value, dict) and isinstance(there := data.get(name), dict):
            there.update(value)
        else:
            data[name] = value

    return put


def _put_member(field: str, member: str, read: Callable[[str], str]) -> Put:
    def put(data: dict[str, Any], cell: str) -> None:
        there = data.setdefault(field, {})
        if not isinstance(there, dict):
            raise Fault("wrong_type", f"`{field}` has to be an object where it has columns for its members.")
        there[member] = read(cell)

    return put


def _members(field: marshmallow.fields.Nested) -> list[str]:
    """Those that are text."""
    below = field.schema.load_fields.items()
    return [inner.data_key or key for key, inner in below if _reading(inner) is _text]


def _reading(field: marshmallow.fields.Field[Any]) -> Callable[[str], Any]:
    if isinstance(field, marshmallow.fields.List):
        return _json if isinstance(field.inner, marshmallow.fields.Nested) else _list
    if isinstance(field, (marshmallow.fields.Nested, marshmallow.fields.Dict)):
        return _json
    if isinstance(field, marshmallow.fields.Boolean):
        return cells.truth
    if isinstance(field, marshmallow.fields.Integer):
        return cells.whole
    if isinstance(field, marshmallow.fields.Float):
        return cells.number
    return _text


def _text(cell: str) -> str:
    return cell


def _list(cell: str) -> Any:
    return _json(cell) if cells.is_array(cell) else cells.parts(cell)


def _json(cell: str) -> Any:
    try:
        return gate.parse(cell.encode())
    except HttpProblem as problem:
        raise Fault("malformed_json", f"This is not JSON that can be taken: {problem.data['reason']}.") from problem
