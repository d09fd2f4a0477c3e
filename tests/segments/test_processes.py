"""Protects what is told of segments from whatever happens to `kehu worker`: kill -9 of two at once loses no event and doubles none."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from app.config import Config
from tests import builders
from tests.builders import customer, database, entry, rows
from tests.client import Api
from tests.faults.calls import wait_until
from tests.live import ROOT
from tests.segments.calls import segment
from tests.segments.work import Hands, assert_settled, members

# KEHU_TEST_KILL_ROUNDS=20 for the long run.
ROUNDS = int(os.environ.get("KEHU_TEST_KILL_ROUNDS", "3"))
RULES = (
    "country = 'FI'",
    "contact_count('call', 30) >= 2",
    "NOT country = 'FI' AND days_since(metrics.last_contact_at) < 1",
    "status = 'active'",
)


@pytest.fixture
def environment(config: Config) -> dict[str, str]:
    assert config.database_url is not None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEHU_")}
    return kept | {"KEHU_DATABASE_URL": config.database_url, "KEHU_SECRET_KEY": config.secret_key}


def start(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], cwd=ROOT, env=environment, stderr=file)


@contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(environment, log)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def writing(api: Api, seed: int) -> Iterator[list[str]]:
    """Callers who change a few customers without a pause worth the name; whom they made."""
    made = [customer(api)["id"] for _ in range(12)]
    over = threading.Event()

    def write(number: int) -> None:
        dice = random.Random(f"{seed}-{number}")
        own = Api(api.app, token=api.token)
        while not over.is_set():
            path = f"/v1/customers/{dice.choice(made)}"
            match dice.randrange(4):
                case 0 | 1:
                    own.patch(path, {"country": dice.choice(["FI", "CN"])})
                case 2:
                    own.post(f"{path}/contact-history", {"kind": "call"})
                case _:
                    own.post(f"{path}/restore") if dice.random() < 0.5 else own.delete(path)
            # Or a small machine has no time left for those who are watched.
            time.sleep(0.02)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()


def told(app: Flask) -> int:
    """How many have joined and left so far."""
    return int(rows(app, "SELECT count(*) AS told FROM events WHERE type IN ('segment.joined', 'segment.left')")[0].told)


def is_settled(app: Flask) -> bool:
    left = rows(
        app,
        "SELECT FROM segment_lanes WHERE (xid, event_id) < (SELECT xid, id FROM events ORDER BY xid DESC, id DESC LIMIT 1)"
        " UNION ALL SELECT FROM segment_states WHERE filled < wanted",
    )
    return left == []


class TestKills:
    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_two_workers_killed_again_and_again_lose_and_double_nothing(
        self, api: Api, environment: dict[str, str], tmp_path: Path, number: int
    ) -> None:
        dice = random.Random(number)
        log = tmp_path / "log"
        workers = [start(environment, log) for _ in range(2)]
        try:
            with writing(api, number):
                for place, rule in enumerate(RULES):
                    segment(api, f"s{place}", rule)
                    seen = told(api.app)
                    # While they are at it.
                    wait_until(lambda seen=seen: told(api.app) > seen, within=60)
                    time.sleep(dice.uniform(0, 0.3))
                    for victim in dice.choice([(0,), (1,), (0, 1)]):
                        workers[victim].kill()
                        workers[victim].wait(10)
                        workers[victim] = start(environment, log)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait(10)

        with running(environment, log):
            wait_until(lambda: is_settled(api.app), within=60)

        assert told(api.app) > 20
        assert members(api.app)
        assert_settled(Hands(api.app))


class TestLife:
    def test_a_write_is_told_of_within_seconds_and_sigterm_ends_it(self, api: Api, environment: dict[str, str], tmp_path: Path) -> None:
        segment(api, "finns", "country = 'FI'")
        with running(environment, tmp_path / "log"):
            wait_until(lambda: is_settled(api.app), within=30)
            one = customer(api, country="FI")["id"]
            took = wait_until(lambda: members(api.app) == {("finns", one)}, within=10)

        assert took < 5

    def test_sessions_that_the_server_ends_are_opened_again(self, api: Api, environment: dict[str, str], tmp_path: Path) -> None:
        segment(api, "callers", "contact_count('call', 30) > 0")
        log = tmp_path / "log"
        with running(environment, log):
            wait_until(lambda: is_settled(api.app), within=30)
            with database(api.app) as db:
                for _ in range(5):
                    db.exec_driver_sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND application_name = 'kehu' AND pid <> pg_backend_pid()"
                    )
                    time.sleep(0.2)
            one = customer(api)["id"]
            entry(api, one, kind="call", occurred_at=builders.LONG_AGO.isoformat())
            entry(api, one, kind="call", occurred_at=rows(api.app, "SELECT now() AS now")[0].now.isoformat())

            wait_until(lambda: members(api.app) == {("callers", one)}, within=15)

        assert "Traceback" not in log.read_text()

    def test_a_fill_is_in_nobodys_way(self, api: Api, environment: dict[str, str], tmp_path: Path) -> None:
        builders.insert_customers(api.app, ({"country": "FI"} for _ in range(5000)))
        one = customer(api, country="FI")["id"]
        slowest = 0.0
        with running(environment, tmp_path / "log"):
            wait_until(lambda: is_settled(api.app), within=30)
            made = segment(api, "finns", "country = 'FI'")
            states = [made["state"]]
            while not is_settled(api.app):
                began = time.monotonic()
                assert api.patch(f"/v1/customers/{one}", {"owner": str(began)}).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
                states.append(api.get(f"/v1/segments/{made['id']}").json["state"])
            shown = api.get(f"/v1/segments/{made['id']}").json

        assert states[0] == "filling"
        assert (shown["state"], shown["member_count"]) == ("current", 5001)
        # A chunk of the fill holds what a writer waits for at most so long.
        assert slowest < 1.5
        assert_settled(Hands(api.app))
