"""Protects callers from a database that is away: 503 in bounded time, nothing half done, and recovery without a restart."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url

from app.factory import create_app
from tests import builders
from tests.client import Api, make_token, problem
from tests.conftest import config_for
from tests.faults.calls import Caller, after, assert_unavailable, at_once, run, session
from tests.faults.proxy import Proxy
from tests.live import LiveServer

# More than both processes hold together.
ENOUGH = 12


class TestIdleConnections:
    def test_no_call_fails_when_idle_connections_were_reset(self, caller: Caller, proxy: Proxy) -> None:
        assert proxy.cut() > 0

        answers = [caller.post() for _ in range(ENOUGH)]

        assert [answer.status for answer in answers] == [201] * ENOUGH

    def test_no_call_fails_when_the_server_ended_idle_sessions(self, app: Flask, caller: Caller) -> None:
        ended = builders.rows(
            app,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'kehu' AND pid <> pg_backend_pid()",
        )
        assert ended

        answers = [caller.post() for _ in range(ENOUGH)]

        assert [answer.status for answer in answers] == [201] * ENOUGH

    def test_connections_lost_in_silence_cost_one_call_in_each_process(self, app: Flask, database_url: str) -> None:
        settings = {"KEHU_LOCK_TIMEOUT": "0.5", "KEHU_STATEMENT_TIMEOUT": "1", "KEHU_REQUEST_DEADLINE": "1.5", "KEHU_WORKERS": "1"}
        with Proxy(database_url) as proxy, LiveServer(config_for(proxy.url), **settings) as server:
            caller = Caller(server, make_token(app, "*"))
            at_once(*[caller.post] * 3)
            assert proxy.forget() > 1

            lost = caller.post()
            later = [caller.post() for _ in range(ENOUGH)]

        assert_unavailable([lost], within=3)
        assert [answer.status for answer in later] == [201] * ENOUGH


class TestRefusal:
    def test_a_database_that_refuses_is_503_at_once_and_health_says_so(self, caller: Caller, proxy: Proxy) -> None:
        customer = caller.post().headers["location"]
        proxy.refuse()

        refused = at_once(caller.post, lambda: caller.get(customer), lambda: caller.get("/v1/changes?wait=5"))
        live, ready = caller.get("/livez"), caller.get("/readyz")
        proxy.heal()
        healed = [caller.post() for _ in range(ENOUGH)]

        assert_unavailable([*refused, ready], within=3)
        assert live.status == 200
        assert live.seconds < 1
        assert [answer.status for answer in healed] == [201] * ENOUGH
        assert caller.get("/readyz").status == 200

    @pytest.mark.parametrize("answers", [True, False])
    def test_a_name_that_does_not_resolve_is_503_in_3_seconds(
        self, app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch, answers: bool
    ) -> None:
        over = threading.Event()

        def resolve(*_: Any, **__: Any) -> Any:
            if not answers:
                # For a resolver that does not answer the system has a patience of 10 s and more.
                over.wait(20)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        nowhere = make_url(database_url).set(host="database.invalid", port=5432).difference_update_query(["host", "port"])
        lost = Api(create_app(config_for(nowhere.render_as_string(hide_password=False))), token=make_token(app, "*"))
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        began = time.monotonic()

        refused = lost.post("/v1/customers", {})
        took = time.monotonic() - began
        over.set()

        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert problem(refused)["code"] == "database_unavailable"
        assert took < 3.5
        assert lost.get("/livez").status_code == 200


class TestBlackHole:
    def test_a_database_that_never_answers_is_503_in_10_seconds_and_heals(self, app: Flask, caller: Caller, proxy: Proxy) -> None:
        customer = caller.post().headers["location"]
        unknown_here = Caller(caller.server, make_token(app, "*"))
        proxy.black_hole()

        # Some that write, one that reads, one whose token has to be looked up, more than there is place for; and health meanwhile.
        *waiting, live, ready = at_once(
            lambda: caller.post(key="k"),
            lambda: caller.get(customer),
            lambda: unknown_here.get(customer),
            *[after(0.3, caller.post)] * 15,
            after(1.5, lambda: caller.get("/livez")),
            after(1.5, lambda: caller.get("/readyz")),
        )
        proxy.heal()
        # Their threads are free again, all of them.
        healed = at_once(lambda: caller.post(key="k"), *[caller.post] * 7)

        assert_unavailable(waiting, within=10)
        assert_unavailable([ready], within=3)
        assert live.status == 200
        assert live.seconds < 3
        assert [answer.status for answer in healed] == [201] * 8
        assert max(answer.seconds for answer in healed) < 2
        assert builders.events(app) == ["customer.created"] * 9
        assert builders.rows(app, "SELECT count(*) FROM customers")[0][0] == 9


class TestNoRoom:
    def test_a_full_disk_is_503_reads_go_on_and_it_heals(self, app: Flask, caller: Caller, database_url: str) -> None:
        customer = caller.post().headers["location"]
        with session(database_url) as other:
            run(
                other,
                "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
                "CREATE TRIGGER no_room BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION no_room()",
            )
            try:
                refused = [caller.post(key="k"), caller.patch(customer, {"given_name": "Li"})]
                read = caller.get(customer)
            finally:
                run(other, "DROP FUNCTION no_room CASCADE")

        again = caller.post(key="k")

        assert_unavailable(refused, within=3)
        assert (read.status, read.body["version"], read.body["given_name"]) == (200, 1, None)
        assert again.status == 201
        assert "idempotency-replayed" not in again.headers
        assert builders.events(app) == ["customer.created"] * 2

    def test_no_connections_left_is_503_those_there_are_go_on_and_it_heals(self, app: Flask, database_url: str) -> None:
        with session(database_url) as other:
            run(
                other,
                "CREATE ROLE kehu_few LOGIN PASSWORD 'few' CONNECTION LIMIT 1",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO kehu_few",
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN new; END $$",
                "CREATE TRIGGER slow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION slow()",
            )
            few = make_url(database_url).set(username="kehu_few", password="few").render_as_string(hide_password=False)
            limited = create_app(config_for(few))
            api = Api(limited, token=make_token(app, "*"))
            try:
                assert api.get("/v1/customers").status_code == 200
                going_on, refused = at_once(lambda: api.post("/v1/customers", {}), after(0.3, lambda: api.get("/v1/customers")))
                read = api.get("/v1/customers")
                run(other, "ALTER ROLE kehu_few CONNECTION LIMIT 2")
                healed = at_once(lambda: api.post("/v1/customers", {}), after(0.3, lambda: api.get("/v1/customers")))
            finally:
                limited.extensions["kehu"].database.close()
                run(other, "DROP FUNCTION slow CASCADE", "DROP OWNED BY kehu_few", "DROP ROLE kehu_few")

        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert problem(refused)["code"] == "database_unavailable"
        assert (going_on.status_code, read.status_code) == (201, 200)
        assert [answer.status_code for answer in healed] == [201, 200]
