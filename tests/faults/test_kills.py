"""Protects acknowledged writes from kill -9 of service and database: each is there once, and what was not acknowledged can be retried."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from app.db.embedded import Server
from app.factory import create_app
from tests.client import make_token
from tests.conftest import TABLES, config_for, new_database
from tests.faults.calls import Caller, at_once, wait_until
from tests.faults.load import CUSTOMERS, Load, assert_all_or_nothing, assert_exactly_once
from tests.live import LiveServer

# KEHU_TEST_KILL_ROUNDS=20 for the long run.
ROUNDS = int(os.environ.get("KEHU_TEST_KILL_ROUNDS", "3"))
KINDS = ("database", "service", "both")


@pytest.fixture(scope="module")
def url(own_server: Server) -> Iterator[str]:
    with new_database(own_server.url, "kehu_kills") as url:
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


def kill_database(server: Server) -> None:
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.poll() is not None)


def workers(service: LiveServer) -> list[int]:
    """Those that live, by the log: each says when it begins, and the master when one ends."""
    booted = re.findall(r"Booting worker with pid: (\d+)", service.log())
    return [int(pid) for pid in booted if is_alive(int(pid))]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestKills:
    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_every_write_is_there_exactly_once(
        self, url: str, own_server: Server, caller: Caller, number: int, record_property: Callable[[str, object], None]
    ) -> None:
        dice = random.Random(number)
        kind = KINDS[number % len(KINDS)]
        made = at_once(*[caller.post] * CUSTOMERS)
        load = Load(caller, [answer.headers["location"] for answer in made], seed=number)

        load.start()
        time.sleep(dice.uniform(0.3, 1.0))
        killed_at = time.monotonic()
        if kind != "database":
            caller.server.kill()
        if kind != "service":
            kill_database(own_server)
            time.sleep(dice.uniform(0, 0.5))
            own_server.revive()
            own_server.wait_until_ready()
        if kind != "database":
            caller.server.start()
        back_at = time.monotonic()
        # By itself, without a restart of what was not killed.
        wait_until(lambda: load.acknowledged_at[-1:] > [back_at], within=10)
        load.stop()
        lost = len(load.unacknowledged)
        assert_all_or_nothing(url, load)
        replayed = load.retry()

        assert_exactly_once(url, load)
        assert any(moment < killed_at for moment in load.acknowledged_at)
        # A service whose database was killed answers all the same.
        assert kind != "database" or load.unanswered == 0
        record_property("killed", f"{kind}: {len(load.writes)} writes, {lost} not acknowledged, {replayed} of those were there already")

    def test_a_killed_worker_is_replaced_and_the_service_is_back_in_two_seconds(self, url: str, caller: Caller) -> None:
        made = at_once(*[caller.post] * CUSTOMERS)
        load = Load(caller, [answer.headers["location"] for answer in made], seed=1000)
        before = workers(caller.server)

        load.start()
        time.sleep(0.3)
        os.kill(before[0], signal.SIGKILL)
        killed_at = time.monotonic()
        took = wait_until(lambda: load.acknowledged_at[-1:] > [killed_at + 0.01], within=2)
        wait_until(lambda: len(workers(caller.server)) == len(before))
        load.stop()
        assert_all_or_nothing(url, load)
        load.retry()

        assert_exactly_once(url, load)
        assert took < 2
        assert before[0] not in workers(caller.server)
