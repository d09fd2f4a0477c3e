"""Keyset paging: where a page begins and how it is ordered, for a sort column and an id that breaks ties."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_

# Any: a column and its value have the type of whatever the feature sorts by.
Column = Any


def page_after(statement: Select[Any], *, column: Column, key: Column, after: tuple[Any, Any] | None, descending: bool) -> Select[Any]:
    """`statement` ordered by `(column, key)`, from the row behind `after` on. Both columns have to be NOT NULL and indexed together."""
    if after is not None:
        statement = statement.where(_beyond(column, key, after, descending))
    if descending:
        return statement.order_by(column.desc(), key.desc())
    return statement.order_by(column, key)


def _beyond(column: Column, key: Column, after: tuple[Any, Any], descending: bool) -> ColumnElement[bool]:
    # One row comparison, since PostgreSQL makes an index range of it and not of `a > x OR (a = x AND id > y)`.
    position = tuple_(*after, types=[column.type, key.type])
    return tuple_(column, key) < position if descending else tuple_(column, key) > position
