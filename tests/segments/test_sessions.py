"""Protects the service from a worker that hangs, and a worker from a database that does not answer."""

from __future__ import annotations

import dataclasses
import time
from contextlib import closing

import pytest
from sqlalchemy import text

from app.config import Config
from app.db.engines import Database
from app.segments.worker import claims
from app.worker import jobs
from tests.conftest import config_for
from tests.faults.proxy import Proxy


def worker_database(config: Config) -> Database:
    return Database(dataclasses.replace(jobs.settings(config), database_url=config.database_url))


class TestWorkersSessions:
    def test_one_that_hangs_in_a_transaction_is_ended_within_seconds(self, config: Config) -> None:
        with closing(worker_database(config)) as database, database.engine.connect() as connection:
            found = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))

        assert found == "15s"

    def test_one_of_a_host_that_is_gone_is_noticed_within_half_a_minute(self, config: Config) -> None:
        with closing(worker_database(config)) as database:
            # A Unix socket, such as that of the tests' server, shows 0.
            options = str(database.engine.url.query["options"])

        for name, value in (("idle", 10), ("interval", 5), ("count", 3)):
            assert f"-c tcp_keepalives_{name}={value}" in options

    def test_a_claim_waits_for_no_answer_that_does_not_come(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(claims, "_CLAIM_SECONDS", 0.5)
        with Proxy(database_url) as proxy, closing(worker_database(config_for(proxy.url))) as database:
            began = time.monotonic()
            with pytest.raises(Exception, match=r"server closed|connection|terminat"), claims.claimed(database, 1) as is_ours:
                proxy.black_hole()

            assert is_ours
            assert time.monotonic() - began < 5
