"""Five rules: the statements that the service sends for a segment's count and page against those written by hand, side by side."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from statistics import median
from typing import Any
from unittest import mock

import psycopg
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app.config import Config
from app.customers import queries
from app.db.engines import driver_connection
from app.db.wire import Statement, Wire
from app.factory import create_app
from bench.data.store import SECRET
from bench.floors.segments import RULES, Rule
from bench.load import Load, LoadError, Request, write_requests
from bench.run import Run

# A rate of 1 / 1.1: at most 1.1 times as long.
_AIM = 0.91
_ROUND_SECONDS = 1.0
# The service looks closer at what is asked for often, as the driver does, which prepares it after five times; and the server, which makes
# one plan of it after five more.
_OFTEN = 6
_WARM = 12

# Any: psycopg's rows and what SQLAlchemy hands to a cursor.

# Its text, its values, and whether it is prepared.
_Statement = tuple[str, Any, bool]

# As the service writes a customer, on both sides: what is compared is how the customers are found.
_SHOWN = str(queries.as_json()).replace("customers.", "c.")


def measure(run: Run) -> None:
    """Statements a second, as sent by one connection; the milliseconds are those of the whole request, over HTTP."""
    app = create_app(Config(database_url=run.store.url, data_dir=run.store.home, secret_key=SECRET))
    try:
        # As the service's statements are planned, so are those by hand.
        with app.extensions["kehu"].database.session() as session:
            connection = driver_connection(session.connection)
            moment = connection.execute("SELECT now()").fetchone()
            assert moment is not None
            for rule in RULES:
                _measure_rule(run, app, connection, rule, {"now": moment[0]})
    finally:
        app.extensions["kehu"].database.close()


def _measure_rule(run: Run, app: Flask, connection: psycopg.Connection[Any], rule: Rule, now: dict[str, Any]) -> None:
    client = app.test_client()
    made = _asked(client, run, "POST", "/v1/segments", {"name": f"bench: {rule.name}", "kind": "dynamic", "rule_text": rule.text})
    below = f"/v1/segments/{made['id']}"
    page = rule.page.replace("{columns}", f"c.id, {_SHOWN}")
    for told, path, by_hand in (("count", f"{below}/count", rule.count), ("page", f"{below}/members?sort=created_at&limit=100", page)):
        try:
            for _ in range(_OFTEN):
                with _sent(app) as statements:
                    answer = _asked(client, run, "GET", path, None)
            _compare(connection.execute(by_hand, now).fetchall(), answer)
        except LoadError as error:
            run.table.failed(f"segment, {rule.name}: {told}", error)
            continue
        statement = next(one for one in reversed(statements) if "FROM customers" in one[0])
        ours, theirs = _rates(run, connection, statement, (by_hand, now, True))
        load = Load(run.file("segment.requests"), run.token)
        write_requests(load.file, [Request("GET", path)])
        http = load.run(run.service.port, connections=1, seconds=run.seconds)
        times = (f"{http.p50:.1f}", f"{http.p99:.1f}")
        run.table.rates(f"segment, {rule.name}: {told}", ours, theirs, unit="statements", times=times, aim=_AIM)


def _asked(client: FlaskClient, run: Run, method: str, path: str, body: object) -> Any:
    # The line of the log is no row of the table.
    with redirect_stderr(io.StringIO()):
        answer = client.open(path, method=method, json=body, buffered=True, headers={"Authorization": f"Bearer {run.token}"})
    if answer.status_code >= 300:
        raise LoadError(f"{method} {path}: {answer.get_data(as_text=True)[:500]}")
    return answer.get_json()


@contextmanager
def _sent(app: Flask) -> Iterator[list[_Statement]]:
    """What the service sends to the database in the block."""
    engine = app.extensions["kehu"].database.engine
    found: list[_Statement] = []

    def remember(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        found.append((statement, parameters, driver_connection(connection).prepare_threshold is not None))

    execute = Wire.execute

    def noting(self: Wire, statement: Statement, values: Sequence[Any]) -> Any:
        found.append((statement.sql.decode(), list(values), statement.is_prepared))
        return execute(self, statement, values)

    event.listen(engine, "before_cursor_execute", remember)
    try:
        with mock.patch.object(Wire, "execute", noting):
            yield found
    finally:
        event.remove(engine, "before_cursor_execute", remember)


def _compare(found: Sequence[tuple[Any, ...]], answer: Any) -> None:
    """Raises LoadError where the two do not find the same: then one of them is wrong, and no time means anything."""
    same = found[0][0] == answer["count"] if "count" in answer else [str(row[0]) for row in found] == [one["id"] for one in answer["data"]]
    if not same:
        raise LoadError("the service does not find what the statement written by hand finds")


def _rates(run: Run, connection: psycopg.Connection[Any], ours: _Statement, theirs: _Statement) -> tuple[list[float], list[float]]:
    """Calls a second, by the median of each round; call by call in turn, since what they take apart is less than a machine drifts by."""
    one, other = _caller(connection, ours), _caller(connection, theirs)
    rounds = [_round(one, other) for _ in range(run.rounds)]
    return [mine for mine, _ in rounds], [floor for _, floor in rounds]


def _round(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    until = time.perf_counter() + _ROUND_SECONDS
    while time.perf_counter() < until:
        for work, taken in zip((one, other), times, strict=True):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return 1 / median(times[0]), 1 / median(times[1])


def _caller(connection: psycopg.Connection[Any], statement: _Statement) -> Callable[[], object]:
    """Runs it; it has run as often already as the driver takes to prepare it, and the server to make one plan of it."""
    text, values, prepared = statement
    # By libpq values have places, by the engine names.
    kind = psycopg.RawCursor if isinstance(values, list) else psycopg.Cursor

    def call() -> object:
        return kind(connection).execute(text, values, prepare=prepared).fetchall()

    for _ in range(_WARM):
        call()
    return call
