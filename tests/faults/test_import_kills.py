"""Protects imports from kill -9 of service and database: whole chunks are there, and sending all of it again ends in the same state."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from app.core import limits
from app.db.embedded import Server
from app.factory import create_app
from tests.client import make_token
from tests.conftest import TABLES, config_for, new_database
from tests.customers.bulk.calls import ndjson, post_stream
from tests.faults.calls import Caller, session, wait_until
from tests.live import LiveServer

LINES = [
    {"external_id": str(number), "given_name": f"Li {number}", "email": f"{number}@shop.example", "external_ids": {"erp": f"E{number}"}}
    for number in range(12_000)
]
PATH = "/v1/customers/import?source=shop"


@pytest.fixture(scope="module")
def url(own_server: Server) -> Iterator[str]:
    with new_database(own_server.url, "kehu_import_kills") as url:
        yield url


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[LiveServer]:
    with LiveServer(config_for(url)) as server:
        yield server


@pytest.fixture
def caller(url: str, service: LiveServer) -> Iterator[Caller]:
    app = create_app(config_for(url))
    with app.extensions["kehu"].database.engine.connect() as connection:
        connection.exec_driver_sql(f"TRUNCATE {TABLES}")
    yield Caller(service, make_token(app, "*"))
    app.extensions["kehu"].database.close()


def count(url: str) -> int:
    with session(url) as connection:
        return int(connection.execute(text("SELECT count(*) FROM customers")).scalar_one())


def present(url: str) -> dict[str, list[Any]]:
    """Customers, keys and events, without what differs from one import to the next."""
    with session(url) as connection:
        statements = {
            "customers": "SELECT given_name, email_key, version, external_ids, search_text FROM customers",
            "keys": "SELECT k.source, k.external_id, c.given_name FROM customer_keys k JOIN customers c ON c.id = k.customer_id",
            "events": "SELECT type, data::json->'after'->>'given_name' FROM events WHERE type LIKE 'customer.%'",
        }
        return {
            name: sorted((tuple(row) for row in connection.execute(text(statement))), key=str) for name, statement in statements.items()
        }


def send_again(caller: Caller) -> dict[str, Any]:
    """The summary of the whole file sent again."""
    status, answer = post_stream(caller.server, f"{PATH}&report=errors", caller.token, ndjson(LINES))
    assert status == 200, answer
    told = [orjson.loads(line) for line in answer.splitlines()]
    assert len(told) == 1, told
    summary: dict[str, Any] = told[0]["summary"]
    return summary


@pytest.mark.parametrize("kind", ["service", "database"])
class TestKilledInMidImport:
    def test_whole_chunks_are_there_and_sending_again_ends_in_the_same_state(
        self, url: str, own_server: Server, caller: Caller, kind: str
    ) -> None:
        answers: list[tuple[int, bytes]] = []

        def send() -> None:
            answers.append(post_stream(caller.server, PATH, caller.token, ndjson(LINES)))

        thread = threading.Thread(target=send)
        thread.start()
        wait_until(lambda: count(url) >= 2 * limits.IMPORT_CHUNK_LINES)
        if kind == "service":
            caller.server.kill()
            thread.join()
            # What the killed processes were about to commit is over when their sessions are.
            time.sleep(0.5)
        else:
            os.kill(own_server.pid, signal.SIGKILL)
            wait_until(lambda: own_server.poll() is not None)
            thread.join()
            own_server.revive()
            own_server.wait_until_ready()
        after_the_kill = present(url)
        if kind == "service":
            caller.server.start()
        wait_until(lambda: caller.get("/readyz").status == 200)
        there = len(after_the_kill["customers"])
        summary = send_again(caller)
        again = send_again(caller)

        assert limits.IMPORT_CHUNK_LINES <= there < len(LINES)
        # Lines of the answer may be lost with the connection; those that came are of chunks that are there for good.
        told = [orjson.loads(line) for line in answers[0][1].splitlines(keepends=True) if line.endswith(b"\n")]
        created = [line for line in told if line.get("outcome") == "created"]
        names = {row[0] for row in after_the_kill["customers"]}
        assert {f"Li {line['external_id']}" for line in created} <= names
        # The file is taken in its order: what is there is its beginning, each with its event and its keys.
        assert names == {line["given_name"] for line in LINES[:there]}
        assert sorted(row[1] for row in after_the_kill["events"]) == sorted(names)
        assert len(after_the_kill["keys"]) == 2 * there
        if kind == "database":
            assert [(line["outcome"], line["status"]) for line in told if "outcome" in line][-1] == ("ended", 503)
            assert told[-1]["summary"]["created"] == len(created)
        # `failed` and the rest are 0.
        assert (summary["created"], summary["unchanged"], summary["read"]) == (len(LINES) - there, there, len(LINES))
        assert (again["unchanged"], again["position"]) == (len(LINES), None)
        end = present(url)
        everybody = sorted(str(line["given_name"]) for line in LINES)
        assert sorted((row[0], row[2]) for row in end["customers"]) == [(name, 1) for name in everybody]
        assert sorted(end["events"]) == [("customer.created", name) for name in everybody]
        assert len(end["keys"]) == 2 * len(LINES)
