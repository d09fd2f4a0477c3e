"""Protects health from work: a full process says so to callers, in time and with Retry-After, and still answers whoever looks after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pytest
from flask import Flask
from werkzeug.test import Client

from app.web.edge import Admission, Edge
from tests.client import Api, problem
from tests.faults.calls import Caller, after, assert_unavailable, at_once, run, session
from tests.live import LiveServer

T = TypeVar("T")


class TestAdmission:
    def test_so_many_are_let_in_and_no_more(self) -> None:
        admission = Admission(limit=3, wait=0.01)

        assert [admission.enter() for _ in range(5)] == [True, True, True, False, False]

    def test_a_place_that_is_left_is_free_again(self) -> None:
        admission = Admission(limit=1, wait=0.01)
        admission.enter()
        assert not admission.enter()

        admission.leave()

        assert admission.enter()
        assert not admission.enter()

    def test_one_more_waits_a_little_for_a_place(self) -> None:
        admission = Admission(limit=1, wait=5)
        admission.enter()
        threading.Timer(0.05, admission.leave).start()

        start = time.monotonic()
        entered = admission.enter()

        assert entered
        assert 0.04 < time.monotonic() - start < 2

    def test_after_a_wait_in_vain_nobody_waits_until_a_place_is_free(self) -> None:
        admission = Admission(limit=1, wait=0.2)
        admission.enter()
        admission.enter()

        start = time.monotonic()
        refused = [admission.enter() for _ in range(100)]

        assert not any(refused)
        assert time.monotonic() - start < 0.1

    def test_what_waited_for_its_thread_already_does_not_wait_again(self) -> None:
        admission = Admission(limit=1, wait=0.5)
        admission.enter()

        start = time.monotonic()
        refused = [admission.enter(waited=waited) for waited in (0.45, 0.5, 60.0)]

        assert not any(refused)
        assert time.monotonic() - start < 0.3

    def test_what_waited_long_is_let_in_where_there_is_a_place(self) -> None:
        assert Admission(limit=1, wait=0.5).enter(waited=60.0)


class TestEdge:
    """Over an application whose every answer stops until it is told to go on."""

    @pytest.fixture
    def go_on(self) -> Iterator[threading.Event]:
        event = threading.Event()
        yield event
        event.set()

    @pytest.fixture
    def client(self, go_on: threading.Event) -> Client:
        def application(environ: object, start_response: Callable[..., object]) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            if "livez" not in str(environ):
                go_on.wait(10)
            return [b"done"]

        return Client(Edge(application, Admission(limit=2, wait=0.05)))

    def test_a_full_process_is_503_with_retry_after_and_a_problem(self, client: Client, go_on: threading.Event) -> None:
        _, _, refused = at_once(
            lambda: client.get("/a", buffered=True),
            lambda: client.get("/b", buffered=True),
            after(0.3, lambda: _then(go_on, client.get("/c", buffered=True, headers={"X-Request-Id": "full"}))),
        )

        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.headers["Cache-Control"] == "no-store"
        assert problem(refused)["code"] == "server_busy"
        assert problem(refused)["request_id"] == "full"

    def test_health_needs_no_place_and_gives_none_back(self, client: Client, go_on: threading.Event) -> None:
        *_, live = at_once(
            lambda: client.get("/a", buffered=True),
            lambda: client.get("/b", buffered=True),
            after(0.3, lambda: _then(go_on, [client.get("/livez", buffered=True) for _ in range(5)])),
        )
        go_on.clear()
        *_, refused = at_once(
            lambda: client.get("/a", buffered=True),
            lambda: client.get("/b", buffered=True),
            after(0.3, lambda: _then(go_on, client.get("/c", buffered=True))),
        )

        assert [answer.status_code for answer in live] == [200] * 5
        assert refused.status_code == 503

    def test_an_application_that_fails_leaves_its_place(self) -> None:
        def application(*_: object) -> Iterable[bytes]:
            raise RuntimeError("anything")

        client = Client(Edge(application, Admission(limit=1, wait=0.01)))

        for _ in range(3):
            with pytest.raises(RuntimeError):
                client.get("/a")


class TestFullProcesses:
    @pytest.fixture
    def sluggish(self, app: Flask, database_url: str) -> Iterator[None]:
        """Each write takes less than a request may wait for a place."""
        with session(database_url) as other:
            run(
                other,
                "CREATE FUNCTION sluggish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN new; END $$",
                "CREATE TRIGGER sluggish BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION sluggish()",
            )
            try:
                yield
            finally:
                run(other, "DROP FUNCTION sluggish CASCADE")

    def test_a_queue_that_moves_on_does_not_keep_health_behind_it(self, live: LiveServer, api: Api, sluggish: None) -> None:
        caller = Caller(live, api.token)

        *answers, health = at_once(*[caller.post] * 100, after(0.4, lambda: caller.get("/livez")))

        assert health.seconds < 3
        done = [answer for answer in answers if answer.status == 201]
        assert len(done) >= 6
        assert_unavailable([answer for answer in answers if answer.status != 201], within=4)

    def test_many_slow_requests_leave_health_its_answer_and_are_refused_in_time(
        self, live: LiveServer, api: Api, database_url: str
    ) -> None:
        """All want one row, which another session holds for longer than anybody may wait."""
        made = api.post("/v1/customers", {}).json["id"]
        caller = Caller(live, api.token)
        path = f"/v1/customers/{made}"
        with session(database_url) as other:
            run(other, "BEGIN", f"SELECT 1 FROM customers WHERE id = '{made}' FOR UPDATE")
            *answers, live_1, ready_1, live_2, metrics = at_once(
                *[lambda: caller.patch(path, {"owner": "anna"})] * 60,
                after(0.3, lambda: caller.get("/livez")),
                after(0.3, lambda: caller.get("/readyz")),
                after(1.5, lambda: caller.get("/livez")),
                after(1.5, lambda: caller.get("/metrics")),
            )
            run(other, "ROLLBACK")

        later = at_once(*[lambda: caller.get(path)] * 6, lambda: caller.patch(path, {"owner": "otto"}))

        assert_unavailable(answers, within=6)
        assert {answer.code for answer in answers} == {"server_busy", "database_busy"}
        health = (live_1, ready_1, live_2, metrics)
        assert [answer.status for answer in health] == [200] * 4
        assert max(answer.seconds for answer in health) < 3
        assert {answer.status for answer in later} == {200}
        assert api.get(path).json["version"] == 2


def _then(event: threading.Event, result: T) -> T:
    event.set()
    return result
