"""Protects the way from a token's text to its caller: refused alike whatever is wrong, quick, and never far behind a revocation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.config import Config
from app.factory import create_app
from app.tokens import secrets
from tests.builders import execute, rows
from tests.client import Api, problem
from tests.live import LiveServer
from tests.statements import noted


@contextmanager
def statements(app: Flask, about: str = "tokens") -> Iterator[list[str]]:
    """What the application asks of the database inside the block, of one table or of any."""
    found: list[str] = []
    with noted(app, about) as asked:
        yield found
    found.extend(statement.split()[0] for statement, _ in asked)


@pytest.fixture
def other_process(app: Flask, config: Config) -> Iterator[Flask]:
    """A second application over the same database, which remembers nothing yet."""
    other = create_app(config)
    yield other
    other.extensions["kehu"].database.close()


class TestRefused:
    def test_whatever_is_wrong_is_answered_alike(self, api: Api) -> None:
        revoked = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json
        api.delete(f"/v1/tokens/{revoked['id']}")
        expired = api.post("/v1/tokens", {"name": "x", "scopes": ["*"], "expires_at": "2999-01-01T00:00:00Z"}).json
        execute(api.app, "UPDATE tokens SET expires_at = now() WHERE id = :id", id=expired["id"])
        known = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json
        wrong = {
            "none": {},
            "empty": {"Authorization": ""},
            "no token": {"Authorization": "Bearer"},
            "garbage": {"Authorization": "Bearer ü x\u00ff"},
            "another scheme": {"Authorization": f"Basic {known['token']}"},
            "no scheme": {"Authorization": known["token"]},
            "two tokens": {"Authorization": f"Bearer {known['token']} {known['token']}"},
            "cut": {"Authorization": f"Bearer {known['token'][:-1]}"},
            "wrong checksum": {"Authorization": f"Bearer {known['token'][:-6]}000000"},
            "wrong case": {"Authorization": f"Bearer {known['token'].upper()}"},
            "wrong secret": {"Authorization": f"Bearer {secrets.write(UUID(known['id']), secrets.make_secret())}"},
            "unknown": {"Authorization": f"Bearer {secrets.write(uuid4(), secrets.make_secret())}"},
            "revoked": {"Authorization": f"Bearer {revoked['token']}"},
            "expired": {"Authorization": f"Bearer {expired['token']}"},
        }
        anonymous = api.anonymous()

        told = {name: anonymous.get("/v1/customers", headers={**headers, "X-Request-Id": "one"}) for name, headers in wrong.items()}

        assert {name: response.status_code for name, response in told.items()} == dict.fromkeys(wrong, 401)
        assert len({response.get_data() for response in told.values()}) == 1
        assert {response.headers["WWW-Authenticate"] for response in told.values()} == {'Bearer realm="kehu"'}

    def test_a_wrong_secret_of_a_known_token_is_refused_while_the_right_one_is_remembered(self, api: Api) -> None:
        own = api.get("/v1/tokens/self").json["id"]
        forged = Api(api.app, token=secrets.write(UUID(own), secrets.make_secret()))

        statuses = [client.get("/v1/tokens/self").status_code for client in (forged, api, forged, api)]

        assert statuses == [401, 200, 401, 200]

    def test_a_wrong_checksum_is_refused_without_a_look_up(self, api: Api) -> None:
        text = secrets.write(uuid4(), secrets.make_secret())

        with statements(api.app) as asked:
            for spoilt in (text[:-1] + ("0" if text[-1] != "0" else "1"), text[:-1], text + "0", "x" * 100_000):
                assert Api(api.app, token=spoilt).get("/v1/customers").status_code == 401

        assert asked == []

    @pytest.mark.parametrize("query", ["token={}", "access_token={}"])
    def test_a_token_in_the_address_opens_nothing(self, api: Api, query: str) -> None:
        response = api.anonymous().get(f"/v1/customers?{query.format(api.token)}")

        assert response.status_code == 401
        assert api.token not in str(problem(response))

    @pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer  {} "])
    def test_the_scheme_is_read_without_case(self, api: Api, header: str) -> None:
        response = api.anonymous().get("/v1/customers", headers={"Authorization": header.format(api.token)})

        assert response.status_code == 200


class TestCost:
    def test_many_requests_are_one_look_up_and_one_note(self, api: Api) -> None:
        with statements(api.app) as asked:
            for _ in range(20):
                assert api.get("/v1/customers").status_code == 200

        assert asked == ["SELECT", "UPDATE"]

    def test_a_text_that_opens_nothing_is_one_look_up_too(self, api: Api) -> None:
        unknown = Api(api.app, token=secrets.write(uuid4(), secrets.make_secret()))

        with statements(api.app) as asked:
            for _ in range(20):
                assert unknown.get("/v1/customers").status_code == 401

        assert asked == ["SELECT"]

    def test_the_last_use_is_kept_to_the_minute(self, api: Api, other_process: Flask) -> None:
        api.get("/v1/customers")
        first = api.get("/v1/tokens/self").json["last_used_at"]

        Api(other_process, token=api.token).get("/v1/customers")

        assert api.get("/v1/tokens/self").json["last_used_at"] == first
        assert datetime.now(UTC) - datetime.fromisoformat(first) < timedelta(seconds=60)

    def test_the_last_use_goes_on_after_a_minute(self, api: Api, other_process: Flask) -> None:
        api.get("/v1/customers")
        execute(api.app, "UPDATE tokens SET last_used_at = now() - interval '61 seconds'")
        before = api.get("/v1/tokens/self").json["last_used_at"]

        Api(other_process, token=api.token).get("/v1/customers")

        assert api.get("/v1/tokens/self").json["last_used_at"] > before

    def test_a_refused_text_is_no_use_of_the_token(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"], "expires_at": "2999-01-01T00:00:00Z"}).json
        execute(api.app, "UPDATE tokens SET expires_at = now() WHERE id = :id", id=made["id"])

        Api(api.app, token=made["token"]).get("/v1/customers")
        Api(api.app, token=secrets.write(UUID(made["id"]), secrets.make_secret())).get("/v1/customers")

        assert rows(api.app, "SELECT last_used_at FROM tokens WHERE id = :id", id=made["id"])[0].last_used_at is None


class TestOtherProcesses:
    def test_a_revoked_token_opens_nothing_within_five_seconds_on_every_process(self, live: LiveServer, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["customers:read"]}).json

        def status(_: int) -> int:
            return live.call("GET", "/v1/customers", token=made["token"])[0]

        with ThreadPoolExecutor(6) as threads:
            # Both processes are asked, and remember the token from as late as can be.
            assert set(threads.map(status, range(40))) == {200}
            revoked = live.call("DELETE", f"/v1/tokens/{made['id']}", token=api.token)
            until = time.monotonic() + 5
            assert revoked[0] == 204
            while 200 in set(threads.map(status, range(12))):
                assert time.monotonic() < until
                time.sleep(0.1)
            assert set(threads.map(status, range(40))) == {401}

    def test_a_rotated_token_opens_at_once_on_every_process(self, live: LiveServer, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["customers:read"]}).json

        def status(text: str) -> int:
            return live.call("GET", "/v1/customers", token=text)[0]

        with ThreadPoolExecutor(6) as threads:
            assert set(threads.map(status, [made["token"]] * 30)) == {200}
            rotated = live.call("POST", f"/v1/tokens/{made['id']}/rotate", token=api.token, json={"overlap_seconds": 60})[2]
            assert set(threads.map(status, [rotated["token"], made["token"]] * 15)) == {200}
