"""Statements that every request runs: compiled once, and run by the driver itself.

SQLAlchemy's way from a compiled statement to its rows takes as long again as the driver's: for the row of a customer 110 of 300 us.
What is the same is the statement, the types of its values and the pooled connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
import psycopg
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from app.db.columns import to_json
from app.db.engines import driver_connection

# Any: column values.

Process = Callable[[Any], Any]

# As `app.db.engines` makes its own.
_DIALECT = PGDialect_psycopg(json_serializer=to_json, json_deserializer=orjson.loads)  # type: ignore[no-untyped-call]  # SQLAlchemy types it not


class Prepared:
    """A SELECT, INSERT, UPDATE or DELETE of a fixed shape. To be built once, at module level; values are bound by their names."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        # What becomes of a column on its way, by its place; known with the first row, since it depends on what the server sends.
        self._results: Sequence[tuple[int, Process]] | None = None

    def one_or_none(self, db: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The columns of the only row; None where there is none."""
        with driver_connection(db).cursor() as cursor:
            cursor.execute(self._text, self._bound(values))
            row = cursor.fetchone()
            if row is None:
                return None
            if self._results is None:
                self._results = self._processes(cursor)
        return _read(row, self._results)

    def all(self, db: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The columns of every row."""
        with driver_connection(db).cursor() as cursor:
            cursor.execute(self._text, self._bound(values))
            rows = cursor.fetchall()
            if rows and self._results is None:
                self._results = self._processes(cursor)
        return [_read(row, self._results) for row in rows] if self._results else rows

    @cached_property
    def _compiled(self) -> SQLCompiler:
        compiled = self._statement.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        return compiled

    @cached_property
    def _text(self) -> str:
        return self._compiled.string

    @cached_property
    def _binds(self) -> Mapping[str, Process]:
        """What becomes of a value on its way, for those that do not go as they are."""
        kinds = {name: bind.type for name, bind in self._compiled.binds.items()}
        return {name: process for name, kind in kinds.items() if (process := _implementation(kind).bind_processor(_DIALECT)) is not None}

    @cached_property
    def _constants(self) -> Mapping[str, Any]:
        """Values that the statement brings itself."""
        return {name: bind.value for name, bind in self._compiled.binds.items() if not bind.required}

    def _bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        bound = {**self._constants, **values}
        for name, process in self._binds.items():
            bound[name] = process(bound[name])
        return bound

    def _processes(self, cursor: psycopg.Cursor[Any]) -> Sequence[tuple[int, Process]]:
        columns = self._compiled.statement.exported_columns  # type: ignore[union-attr]  # of all that are given here
        sent = [column.type_code for column in cursor.description or ()]
        found = [_implementation(column.type).result_processor(_DIALECT, code) for column, code in zip(columns, sent, strict=True)]
        return [(at, process) for at, process in enumerate(found) if process is not None]


def _read(row: tuple[Any, ...], results: Sequence[tuple[int, Process]]) -> Sequence[Any]:
    if not results:
        return row
    read = list(row)
    for at, process in results:
        read[at] = process(read[at])
    return read


def _implementation(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)
