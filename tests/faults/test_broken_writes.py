"""Protects the unit of work where a write is broken off: all or nothing of row, event and key, and a retry that leaves exactly one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.errors import Unavailable
from app.db import failures, unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from tests import builders
from tests.conftest import config_for
from tests.faults.calls import Caller, assert_unavailable, at_once, run, session
from tests.faults.proxy import COMMITTED, Proxy


def counts(app: Flask) -> tuple[int, int, int]:
    """Customers, their events, and keys."""
    found = builders.rows(
        app,
        "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM events WHERE type LIKE 'customer.%'),"
        " (SELECT count(*) FROM idempotency_keys)",
    )
    return tuple(found[0])  # type: ignore[return-value]


class TestCut:
    def test_a_connection_cut_between_two_statements_leaves_nothing(self, app: Flask, caller: Caller, proxy: Proxy) -> None:
        broken = []
        left = []
        while True:
            trap = proxy.cut_before(len(broken) + 1)
            answer = caller.post(key="k")
            if not trap.sprung.is_set():
                break
            broken.append(answer)
            left.append(counts(app))

        assert_unavailable(broken, within=3)
        # At least the key, the row with its event, the answer and the commit.
        assert len(broken) >= 4
        assert left == [(0, 0, 0)] * len(broken)
        assert answer.status == 201
        assert "idempotency-replayed" not in answer.headers
        assert counts(app) == (1, 1, 1)

    def test_wherever_an_answer_is_lost_a_retry_leaves_exactly_one(self, app: Flask, caller: Caller, proxy: Proxy) -> None:
        outcomes = []
        while True:
            trap = proxy.lose_answer_to(len(outcomes))
            key = f"k{len(outcomes)}"
            lost = caller.post({"owner": key}, key=key)
            if not trap.sprung.is_set():
                break
            assert_unavailable([lost], within=3)
            outcomes.append("idempotency-replayed" in caller.post({"owner": key}, key=key).headers)

        # Only where the answer to the last message, COMMIT, was lost there is something to replay.
        assert outcomes == [False] * (len(outcomes) - 1) + [True]
        assert len(outcomes) >= 5
        assert counts(app) == (len(outcomes) + 1,) * 3

    def test_the_answer_to_commit_is_lost_and_the_retry_replays(self, app: Flask, caller: Caller, proxy: Proxy) -> None:
        made = caller.post({"external_ids": {"shop": "1"}})
        calls = [
            ("POST", "/v1/customers", {"given_name": "Li"}),
            ("PUT", "/v1/customers/by/shop/2", {"given_name": "Na"}),
            ("PATCH", made.headers["location"], {"given_name": "Wei"}),
            ("DELETE", "/v1/customers/by/shop/1", None),
            ("DELETE", made.headers["location"], None),
        ]
        answers = []
        for number, (method, path, body) in enumerate(calls):
            trap = proxy.lose_answer(COMMITTED)
            lost = caller.send(method, path, body, key=str(number))
            assert trap.sprung.is_set()
            answers.append((lost, caller.send(method, path, body, key=str(number))))

        assert_unavailable([lost for lost, _ in answers], within=3)
        assert [replayed.status for _, replayed in answers] == [201, 201, 200, 204, 204]
        assert all(replayed.headers["idempotency-replayed"] == "true" for _, replayed in answers)
        assert counts(app) == (3, 1 + len(calls), len(calls))

    def test_the_call_after_a_lost_commit_does_not_fail(self, caller: Caller, proxy: Proxy) -> None:
        proxy.lose_answer(COMMITTED)
        lost = caller.post()

        later = [caller.post() for _ in range(12)]

        assert_unavailable([lost], within=3)
        assert [answer.status for answer in later] == [201] * 12


@pytest.fixture
def failing(app: Flask, database_url: str) -> Iterator[None]:
    """As many inserts into the log fail as there are numbers in the sequence `failures`, which no roll-back takes back."""
    with session(database_url) as other:
        run(
            other,
            "CREATE SEQUENCE failures",
            "CREATE TABLE failing (sqlstate text, times int)",
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE planned failing; BEGIN"
            " SELECT * INTO planned FROM failing;"
            " IF nextval('failures') <= planned.times THEN RAISE 'on purpose' USING ERRCODE = planned.sqlstate; END IF;"
            " RETURN new; END $$",
            "CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        try:
            yield
        finally:
            run(other, "DROP FUNCTION fail CASCADE", "DROP TABLE failing", "DROP SEQUENCE failures")


class TestLostRaces:
    @pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
    def test_a_deadlock_or_a_serialization_failure_is_run_again_inside(
        self, app: Flask, caller: Caller, failing: None, sqlstate: str
    ) -> None:
        builders.execute(app, "INSERT INTO failing VALUES (:sqlstate, 3)", sqlstate=sqlstate)

        answer = caller.post(key="k")

        assert answer.status == 201
        assert counts(app) == (1, 1, 1)

    def test_one_that_does_not_end_is_503_and_leaves_nothing(self, app: Flask, caller: Caller, failing: None) -> None:
        builders.execute(app, "INSERT INTO failing VALUES ('40P01', 1000)")

        answer = caller.post(key="k")

        assert_unavailable([answer], within=3)
        assert answer.code == "database_busy"
        assert counts(app) == (0, 0, 0)
        assert builders.rows(app, "SELECT last_value FROM failures")[0][0] == 4

    def test_two_patches_that_swap_external_ids_deadlock_and_are_answered(self, app: Flask, caller: Caller, database_url: str) -> None:
        one, two = (caller.post({"external_ids": {"shop": number}}).headers["location"] for number in "12")
        with session(database_url) as other:
            # Both release their own id before either claims the other's.
            run(
                other,
                "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN old; END $$",
                "CREATE TRIGGER pause AFTER DELETE ON customer_keys FOR EACH ROW EXECUTE FUNCTION pause()",
            )
            try:
                answers = at_once(
                    lambda: caller.patch(one, {"external_ids": {"shop": "2"}}), lambda: caller.patch(two, {"external_ids": {"shop": "1"}})
                )
            finally:
                run(other, "DROP FUNCTION pause CASCADE")

        # Neither id was free, so neither can have it; that it took turns shows that there was a deadlock.
        assert [(answer.status, answer.code) for answer in answers] == [(409, "external_id_taken")] * 2
        assert 1 < max(answer.seconds for answer in answers) < 5
        assert [caller.get(path).body["external_ids"] for path in (one, two)] == [{"shop": "1"}, {"shop": "2"}]
        assert builders.rows(app, "SELECT count(*) FROM customer_keys k JOIN customers c ON c.id = k.customer_id")[0][0] == 2


class TestUnitOfWork:
    def test_a_process_that_stood_still_in_the_middle_of_a_write_hears_that_it_is_lost(self, app: Flask, database_url: str) -> None:
        # The server ends a transaction in which nothing happens for this long.
        database = Database(config_for(database_url, lock_timeout=0.1, statement_timeout=0.2, request_deadline=0.3))

        def stand_still(unit: UnitOfWork) -> None:
            unit.connection.execute(text("SELECT 1"))
            time.sleep(0.6)
            unit.connection.execute(text("SELECT 1"))

        with pytest.raises(failures.DATABASE_ERRORS) as lost:
            unit_of_work.run(database, time.monotonic() + 10, stand_still)
        again = unit_of_work.run(database, time.monotonic() + 10, lambda unit: unit.connection.scalar(text("SELECT 1")))
        database.close()

        assert isinstance(failures.meaning(lost.value, narrowable=False), Unavailable)
        assert again == 1

    def test_a_commit_with_a_warning_is_not_acknowledged(self, app: Flask, caller: Caller, database_url: str) -> None:
        with session(database_url) as other:
            run(
                other,
                "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'not everywhere'; RETURN new; END $$",
                "CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()",
            )
            try:
                answer = caller.post(key="k")
            finally:
                run(other, "DROP FUNCTION warn CASCADE")

        again = caller.post(key="k")

        assert_unavailable([answer], within=3)
        assert answer.code == "commit_unconfirmed"
        assert again.headers["idempotency-replayed"] == "true"
        assert counts(app) == (1, 1, 1)

    def test_a_failure_that_was_passed_over_is_not_acknowledged(self, app: Flask) -> None:
        database: Database = app.extensions["kehu"].database

        def pass_over(unit: UnitOfWork) -> None:
            unit.position = (1, 1, 1)
            with pytest.raises(failures.DATABASE_ERRORS):
                unit.connection.execute(text("SELECT 1 / 0"))

        with pytest.raises(RuntimeError, match="ROLLBACK"):
            unit_of_work.run(database, time.monotonic() + 10, pass_over)
