"""Statements of a fixed shape: compiled once, and run by the driver's own library.

SQLAlchemy's way from a compiled statement to its rows takes as long again as the driver's, and the driver's cursor as long again as its
library, libpq. What is the same is the statement, the types of its values and the pooled connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import orjson
import psycopg
from psycopg.pq import Format
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Numeric
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.types import TypeEngine

from app.db.columns import to_json
from app.db.engines import wire_of

# Any: column values.

Process = Callable[[Any], Any]

_NUMERIC = psycopg.adapters.types["numeric"].oid

# As `app.db.engines` makes its own, with places that libpq knows.
_DIALECT = PGDialect_psycopg(  # type: ignore[no-untyped-call]  # SQLAlchemy types it not
    json_serializer=to_json, json_deserializer=orjson.loads, paramstyle="numeric_dollar"
)


class Prepared:
    """A statement of a fixed shape. To be built once, at module level; values are bound by their names."""

    # Once it is run often.
    is_prepared: ClassVar[bool] = True

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        # What becomes of a column on its way, by its place; known with the first row, since it depends on what the server sends.
        self._results: Sequence[tuple[int, Process]] | None = None

    def one_or_none(self, db: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The columns of the first row, which is the only one; None where there is none."""
        rows = self.all(db, values)
        return rows[0] if rows else None

    def all(self, db: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The columns of every row."""
        wire = wire_of(db)
        result = wire.execute(self, self.bound(values))
        rows = wire.rows(result)
        if not rows:
            return rows
        if self._results is None:
            self._results = self._processes(result)
        return [_read(row, self._results) for row in rows] if self._results else rows

    def run(self, db: Connection, values: Mapping[str, Any]) -> int:
        """How many rows a statement without RETURNING has written."""
        return wire_of(db).execute(self, self.bound(values)).command_tuples or 0

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """For the places, in their order; values without a place are left out."""
        if self._constants:
            values = {**self._constants, **values}
        return [values[name] if process is None else process(values[name]) for name, process in self._places]

    @cached_property
    def sql(self) -> bytes:
        return self._compiled.string.encode()

    @cached_property
    def types(self) -> Sequence[int]:
        """SQLAlchemy writes the type beside each place, but not that of a number with digits behind its point: of one that is compared with
        a whole number PostgreSQL would expect a whole number too."""
        return [_NUMERIC if isinstance(self._compiled.binds[name].type, Numeric) else 0 for name in self._compiled.positiontup or ()]

    @cached_property
    def _compiled(self) -> SQLCompiler:
        compiled = self._statement.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        return compiled

    @cached_property
    def _places(self) -> Sequence[tuple[str, Process | None]]:
        """For each place its name, and what becomes of a value that does not go as it is."""
        kinds = ((name, self._compiled.binds[name].type) for name in self._compiled.positiontup or ())
        return [(name, _implementation(kind).bind_processor(_DIALECT)) for name, kind in kinds]

    @cached_property
    def _constants(self) -> Mapping[str, Any]:
        """Values that the statement brings itself."""
        return {name: bind.value for name, bind in self._compiled.binds.items() if not bind.required}

    def _processes(self, result: PGresult) -> Sequence[tuple[int, Process]]:
        for at in range(result.nfields):
            # It would come as bytes, and as text by every other way.
            if psycopg.adapters.get_loader(result.ftype(at), Format.BINARY) is None:
                raise TypeError(f"the driver does not read the type {result.ftype(at)} of column {at}: {self.sql.decode()}")
        if not isinstance(self._statement, ReturnsRows):
            return ()
        found = [
            _implementation(column.type).result_processor(_DIALECT, result.ftype(at))
            for at, column in enumerate(self._statement.exported_columns)
        ]
        return [(at, process) for at, process in enumerate(found) if process is not None]


def _read(row: tuple[Any, ...], results: Sequence[tuple[int, Process]]) -> Sequence[Any]:
    read = list(row)
    for at, process in results:
        read[at] = process(read[at])
    return read


def _implementation(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)
