"""`make bench`: fills an embedded database and prints one table. `SCALE=5` for a million customers instead of 200,000."""

from __future__ import annotations

import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
from flask import Flask
from sqlalchemy import event, make_url

from app.config import Config
from app.core.caller import command_line
from app.db import embedded, migrations, unit_of_work
from app.factory import create_app
from app.tokens import service as tokens
from bench.fill import fill

CUSTOMERS = 200_000 * int(os.environ.get("SCALE", "1"))
ROUNDS = 7

# Any: Flask's client and psycopg's rows.


def main() -> None:
    home = Path(tempfile.mkdtemp(prefix="kehu-bench-"))
    home.chmod(0o755)
    server = embedded.start(Config(data_dir=home / "data", data_dir_is_default=False, secret_key="k" * 32))
    try:
        config = Config(database_url=server.url, data_dir=home, secret_key="k" * 32)
        migrations.upgrade(server.url, config)
        with psycopg.connect(make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
            began = time.monotonic()
            fill(connection, CUSTOMERS)
            print(f"{CUSTOMERS:,} customers written in {time.monotonic() - began:.0f} s\n")
            app = create_app(config)
            logging.getLogger().setLevel(logging.ERROR)
            measure(app, connection)
            app.extensions["kehu"].database.close()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def measure(app: Flask, connection: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + 30
    token = unit_of_work.run(
        app.extensions["kehu"].database,
        deadline,
        lambda unit: tokens.create(unit, command_line("bench"), name="bench", scopes=["*"], expires_at=None).token,
    )
    client = app.test_client()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(method: str, path: str, body: object = None, **extra: str) -> Any:
        data = orjson.dumps(body) if body is not None else None
        answer = client.open(path, method=method, data=data, headers=headers | extra, buffered=True)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return answer

    numbers = iter(range(10**9))
    run = f"{time.time_ns()}"

    def page(cursor: str | None, sort: str = "-created_at") -> str | None:
        found: str | None = call("GET", f"/v1/customers?sort={sort}" + (f"&cursor={cursor}" if cursor else "")).json["next_cursor"]
        return found

    print(f"{'what':58} {'median ms':>10} {'floor ms':>9} {'ratio':>6}")
    deep = deepest(call)
    row("the deepest page of 50 by cursor, against the first", lambda: page(deep), lambda: page(None))
    row(
        "create with an Idempotency-Key, against without",
        lambda: call("POST", "/v1/customers", {"given_name": "Li"}, **{"Idempotency-Key": f"{run}-{next(numbers)}"}),
        lambda: call("POST", "/v1/customers", {"given_name": "Li"}),
        repeat=50,
    )
    for number in range(3000):
        call("PUT", f"/v1/customers/by/feed/{number}", {"given_name": "Li"})
    statement = "SELECT xid, id, event_id, type, subject, actor::text, request_id, time, data::text FROM events ORDER BY xid, id LIMIT 1000"
    row(
        "feed, a page of 1,000 events, against a plain SELECT",
        lambda: call("GET", "/v1/changes?limit=1000"),
        lambda: connection.execute(statement).fetchall(),
    )
    row(
        "the same, against a plain SELECT written as JSON by orjson",
        lambda: call("GET", "/v1/changes?limit=1000"),
        lambda: orjson.dumps([list(found) for found in connection.execute(statement).fetchall()], default=str),
    )
    for q in ("雪", "王伟", "张晓东", "customer1234"):
        ask = partial(call, "GET", f"/v1/customers?q={q}")
        row(f"q={q}, first page", ask)
        explain(app, ask)


def deepest(call: Callable[..., Any]) -> str | None:
    """The cursor of the last full page: that of the same place, walked to from the other end."""
    cursor = None
    while True:
        found = call("GET", "/v1/customers?limit=200&fields=id" + (f"&cursor={cursor}" if cursor else "")).json["next_cursor"]
        if found is None:
            return cursor
        cursor = found


def row(what: str, measured: Callable[[], object], floor: Callable[[], object] | None = None, repeat: int = 5) -> None:
    """Both in turn, A B A B, since a machine's speed drifts; medians."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(timed(measured, repeat))
        if floor is not None:
            theirs.append(timed(floor, repeat))
    median = statistics.median(ours)
    if floor is None:
        print(f"{what:58} {median:10.2f}")
    else:
        bound = statistics.median(theirs)
        print(f"{what:58} {median:10.2f} {bound:9.2f} {median / bound:6.2f}")


def timed(work: Callable[[], object], repeat: int) -> float:
    """Milliseconds a call."""
    began = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - began) / repeat * 1000


def explain(app: Flask, ask: Callable[[], object]) -> None:
    """The plan of the statement that the service itself sends for `ask`."""
    engine = app.extensions["kehu"].database.engine
    sent: list[tuple[str, Any]] = []

    def remember(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    ask()
    event.remove(engine, "before_cursor_execute", remember)
    statement, parameters = next(pair for pair in reversed(sent) if "FROM customers" in pair[0])
    with engine.connect() as connection:
        for (line,) in connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY) {statement}", parameters).all():
            if "Scan" in line or "Sort  " in line or "Execution" in line:
                print(f"    {line.strip()}")


main()
