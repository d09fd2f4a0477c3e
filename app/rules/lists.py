"""Names that stand for lists: how each kind of column is asked what it holds. An absent list and an empty one are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ARRAY, ColumnElement, Text, func, literal
from sqlalchemy.dialects.postgresql import ARRAY as PG_ARRAY
from sqlalchemy.dialects.postgresql import JSONB

# Any: columns of any type.

# E-mail addresses have none.
_SEPARATOR = " "


class ListColumn(Protocol):
    """What may stand behind a name of a list type. `values` is never empty; NULL as an answer counts as no."""

    def contains(self, values: Sequence[str]) -> ColumnElement[bool]: ...
    def overlaps(self, values: Sequence[str]) -> ColumnElement[bool]: ...
    def is_empty(self) -> ColumnElement[bool]: ...


@dataclass(frozen=True, slots=True)
class TextArray:
    """`text[]`, compared exactly."""

    column: Any

    def contains(self, values: Sequence[str]) -> ColumnElement[bool]:
        return self.column.op("@>", is_comparison=True)(_array(values))  # type: ignore[no-any-return]  # of a column

    def overlaps(self, values: Sequence[str]) -> ColumnElement[bool]:
        return self.column.op("&&", is_comparison=True)(_array(values))  # type: ignore[no-any-return]  # of a column

    def is_empty(self) -> ColumnElement[bool]:
        return func.coalesce(func.cardinality(self.column), 0) == 0


@dataclass(frozen=True, slots=True)
class EmailArray:
    """`text[]` of e-mail addresses, compared without case."""

    column: Any

    def contains(self, values: Sequence[str]) -> ColumnElement[bool]:
        return _folded(self.column).op("@>", is_comparison=True)(_folded(_array(values)))

    def overlaps(self, values: Sequence[str]) -> ColumnElement[bool]:
        return _folded(self.column).op("&&", is_comparison=True)(_folded(_array(values)))

    def is_empty(self) -> ColumnElement[bool]:
        return TextArray(self.column).is_empty()


@dataclass(frozen=True, slots=True)
class JsonArray:
    """A JSON array of texts, NULL where there is none."""

    column: ColumnElement[Any]

    def contains(self, values: Sequence[str]) -> ColumnElement[bool]:
        return self.column.op("@>", is_comparison=True)(literal(list(values), JSONB))

    def overlaps(self, values: Sequence[str]) -> ColumnElement[bool]:
        return self.column.op("?|", is_comparison=True)(_array(values))

    def is_empty(self) -> ColumnElement[bool]:
        return func.coalesce(func.jsonb_array_length(self.column), 0) == 0


def _array(values: Sequence[str]) -> ColumnElement[Any]:
    return literal(list(values), PG_ARRAY(Text))


def _folded(texts: Any) -> ColumnElement[Any]:
    # Folded as one text: no set-returning function, so no subquery for each row.
    joined = func.lower(func.array_to_string(texts, _SEPARATOR))
    return func.string_to_array(joined, _SEPARATOR, type_=ARRAY(Text))
