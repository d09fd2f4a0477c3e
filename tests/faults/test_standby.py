"""Protects what is acknowledged where a synchronous standby has to confirm it: no confirmation, no acknowledgement, also for a retry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from app.db.embedded import Server
from app.factory import create_app
from tests.client import make_token
from tests.conftest import config_for, new_database
from tests.faults.calls import Answer, Caller, assert_unavailable, run, session, wait_until
from tests.live import LiveServer

# PostgreSQL waits for a standby without end, so here it is the request's deadline that ends a wait.
SETTINGS = {"KEHU_LOCK_TIMEOUT": "0.5", "KEHU_STATEMENT_TIMEOUT": "1", "KEHU_REQUEST_DEADLINE": "1.5", "KEHU_WORKERS": "1"}


@pytest.fixture
def url(own_server: Server) -> Iterator[str]:
    with new_database(own_server.url, "kehu_standby") as url:
        yield url


@pytest.fixture
def caller(url: str) -> Iterator[Caller]:
    app = create_app(config_for(url))
    with LiveServer(config_for(url), **SETTINGS) as server:
        yield Caller(server, make_token(app, "*"))
    app.extensions["kehu"].database.close()


@contextmanager
def missing_standby(url: str) -> Iterator[None]:
    with session(url) as other:
        set_standby(url, "nobody")
        try:
            yield
        finally:
            set_standby(url, "")
            # Who waits still, of calls that were given up.
            wait_until(lambda: not other.execute(text(f"SELECT {WAITING}")).first())


def set_standby(url: str, name: str) -> None:
    with session(url) as other:
        run(other, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'", "SELECT pg_reload_conf()")
    wait_until(lambda: shown(url) == name)


def shown(url: str) -> str:
    # By a new session, which has read the settings anew.
    with session(url) as other:
        return str(other.execute(text("SHOW synchronous_standby_names")).scalar_one())


WAITING = "pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def cancelled(url: str, caller: Caller) -> Answer:
    """A create whose wait for the standby somebody cancels."""
    answers: list[Answer] = []
    writer = threading.Thread(target=lambda: answers.append(caller.post({"owner": "Li"}, key="k")))
    writer.start()
    with session(url) as other:
        wait_until(lambda: other.execute(text(f"SELECT {WAITING}")).first() is not None)
    writer.join()
    return answers[0]


class TestMissingStandby:
    def test_nothing_is_acknowledged_that_no_standby_has(self, url: str, caller: Caller) -> None:
        # That the token was used is noted before.
        assert caller.get("/v1/customers").status == 200
        with missing_standby(url):
            first = cancelled(url, caller)
            read = caller.get("/v1/customers").body["data"]
            # The same again, by its key, and a change to what is there already: both would only repeat what is not confirmed.
            replayed = caller.post({"owner": "Li"}, key="k")
            unchanged = caller.patch(f"/v1/customers/{read[0]['id']}", {"owner": "Li"})

        again = caller.post({"owner": "Li"}, key="k")

        assert first.code == "commit_unconfirmed"
        assert_unavailable([first, replayed, unchanged], within=3)
        assert [customer["owner"] for customer in read] == ["Li"]
        assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
        assert again.body["id"] == read[0]["id"]
