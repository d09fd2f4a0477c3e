"""What the application asks of the database: for tests of plans, and of how many round trips a call takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg
from flask import Flask
from sqlalchemy import event

from app.db.wire import Statement, Wire


@contextmanager
def noted(app: Flask, about: str = "") -> Iterator[list[tuple[str, Any]]]:
    """The statements inside the block in which `about` stands, with their values; whoever runs them, but for BEGIN and COMMIT."""
    engine = app.extensions["kehu"].database.engine
    found: list[tuple[str, Any]] = []

    def note(statement: str, values: Any) -> None:
        if about in statement:
            found.append((statement, values))

    def by_engine(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        note(statement, parameters)

    execute = Wire.execute

    def by_libpq(self: Wire, statement: Statement, values: Sequence[Any]) -> Any:
        note(statement.sql.decode(), list(values))
        return execute(self, statement, values)

    event.listen(engine, "before_cursor_execute", by_engine)
    try:
        with mock.patch.object(Wire, "execute", by_libpq):
            yield found
    finally:
        event.remove(engine, "before_cursor_execute", by_engine)


def explained(driver: psycopg.Connection[Any], statement: str, values: Any, options: str = "FORMAT JSON") -> dict[str, Any]:
    """The plan of a statement that was noted."""
    # By libpq values have places, by the engine names.
    cursor = psycopg.RawCursor(driver) if isinstance(values, list) else driver.cursor()
    found = cursor.execute(f"EXPLAIN ({options}) {statement}", values).fetchone()
    assert found is not None
    read = found[0] if isinstance(found[0], list) else json.loads(found[0])
    plan: dict[str, Any] = read[0]["Plan"]
    return plan
