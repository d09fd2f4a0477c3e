"""Protects callers from a database that is slow or locked: bounded waits, health that answers, and a feed that waits and skips nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text

from tests import builders
from tests.faults.calls import Caller, after, assert_unavailable, at_once, run, session, wait_until


@pytest.fixture
def slow_writes(app: Flask, database_url: str) -> Iterator[None]:
    """Each write takes three seconds, which is less than a statement may."""
    with session(database_url) as other:
        run(
            other,
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN new; END $$",
            "CREATE TRIGGER slow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        try:
            yield
        finally:
            run(other, "DROP FUNCTION slow CASCADE")


class TestSlowQueries:
    def test_slow_writes_are_done_the_rest_is_503_and_health_answers(self, app: Flask, caller: Caller, slow_writes: None) -> None:
        *writes, live, ready = at_once(
            *[caller.post] * 20,
            after(1.5, lambda: caller.get("/livez")),
            after(1.5, lambda: caller.get("/readyz")),
        )

        done = [answer for answer in writes if answer.status == 201]
        assert_unavailable([answer for answer in writes if answer.status != 201], within=3)
        # Two processes of four threads, of which each keeps one for health.
        assert 1 <= len(done) <= 6
        assert builders.events(app) == ["customer.created"] * len(done)
        assert (live.status, ready.status) == (200, 200)
        assert max(live.seconds, ready.seconds) < 3

    def test_a_twin_waits_for_two_seconds_and_then_hears_that_the_first_is_in_progress(
        self, app: Flask, caller: Caller, slow_writes: None
    ) -> None:
        first, twin = at_once(lambda: caller.post(key="k"), after(0.2, lambda: caller.post(key="k")))

        again = caller.post(key="k")

        assert first.status == 201
        assert (twin.status, twin.code) == (409, "idempotency_in_progress")
        assert int(twin.headers["retry-after"]) >= 1
        assert 1.9 < twin.seconds < 3
        assert again.body == first.body
        assert builders.events(app) == ["customer.created"]


class TestLockedRow:
    def test_a_row_locked_by_another_session_is_503_after_two_seconds_and_does_not_pile_up(self, caller: Caller, database_url: str) -> None:
        locked, free = (caller.post().headers["location"] for _ in range(2))
        with session(database_url) as other:
            run(other, "BEGIN", f"SELECT 1 FROM customers WHERE id = '{locked.rpartition('/')[2]}' FOR UPDATE")
            *waiting, shown, changed = at_once(
                # Two, so that a place is left in each process, whichever of them these come to.
                *[lambda: caller.patch(locked, {"given_name": "Wei"})] * 2,
                after(0.2, lambda: caller.get(locked)),
                after(0.2, lambda: caller.patch(free, {"given_name": "Li"})),
            )
            run(other, "ROLLBACK")

        later = caller.patch(locked, {"given_name": "Na"})

        # Whoever comes to the head of PostgreSQL's queue for the row waits anew, for its holder.
        assert_unavailable(waiting, within=5)
        assert {answer.code for answer in waiting} == {"database_busy"}
        assert 1.9 < min(answer.seconds for answer in waiting) < 3
        assert (shown.status, changed.status) == (200, 200)
        assert max(shown.seconds, changed.seconds) < 1
        assert (later.status, later.body["version"]) == (200, 2)
        assert later.seconds < 1


class TestOpenTransaction:
    def test_the_feed_waits_for_it_skips_nothing_and_says_how_old_it_is(self, app: Flask, caller: Caller, database_url: str) -> None:
        caller.post({"owner": "before"})
        start = wait_for_feed(caller, 1)
        with session(database_url) as other:
            run(other, "BEGIN", "SELECT pg_current_xact_id()")
            caller.post({"owner": "after"})
            caller.post({"owner": "later"})
            time.sleep(0.5)

            during = read(caller, start)
            behind = metric(caller, "kehu_feed_behind_seconds")
            other.execute(
                text(
                    "INSERT INTO events (event_id, type, subject, actor, request_id, time, data) VALUES (gen_random_uuid(),"
                    " 'customer.created', 'customers/x', '{}', 'r', now(), '{\"after\": {\"owner\": \"open\"}}')"
                )
            )
            run(other, "COMMIT")

        wait_until(lambda: len(read(caller, start)) == 3)

        assert during == []
        assert 0.4 < behind < 20
        # In the order of the transactions' beginnings.
        assert read(caller, start) == ["open", "after", "later"]
        assert metric(caller, "kehu_feed_behind_seconds") == 0


def read(caller: Caller, position: str) -> list[str]:
    page = caller.get(f"/v1/changes?types=customer.*&after={position}").body
    return [event["data"]["after"]["owner"] for event in page["data"]]


def wait_for_feed(caller: Caller, count: int) -> str:
    """The position behind so many events of customers."""
    wait_until(lambda: len(caller.get("/v1/changes?types=customer.*").body["data"]) == count)
    position: str = caller.get("/v1/changes?types=customer.*").body["next_position"]
    return position


def metric(caller: Caller, name: str) -> float:
    lines = caller.get("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))
