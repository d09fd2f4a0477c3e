"""What the application asks of the database: for tests of plans, and of how many round trips a call takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from flask import Flask
from sqlalchemy import Connection, event

from app.db.prepared import Prepared


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

    def by_driver(run: Callable[..., Any]) -> Callable[..., Any]:
        def noting(self: Prepared, db: Connection, values: Mapping[str, Any]) -> Any:
            note(self._text, self._bound(values))
            return run(self, db, values)

        return noting

    event.listen(engine, "before_cursor_execute", by_engine)
    try:
        with mock.patch.multiple(Prepared, one_or_none=by_driver(Prepared.one_or_none), all=by_driver(Prepared.all)):
            yield found
    finally:
        event.remove(engine, "before_cursor_execute", by_engine)
