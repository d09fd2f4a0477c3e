"""Protects what tokens guard, and keeps what outsiders send or are told from saying more than it should.

That every refused token is answered alike and none but a well-formed one looked up is tested beside the tokens; that no operation does
without its scope, in the guards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, pool, text
from werkzeug.test import TestResponse

from app.config import Config
from app.core.caller import SCOPES
from app.factory import create_app
from tests.client import Api, problem
from tests.conftest import config_for
from tests.faults.inputs import NOBODY, stored
from tests.guards.operations import Operation, features
from tests.live import LiveServer
from tests.web.wire import ask, connect, exchange, leases, logged, read, request

# Who we are and what is below: nothing of it is a caller's business.
INSIDE = re.compile(
    r"Traceback|\.py\b|\bline \d+, in\b|SELECT|INSERT|UPDATE|DELETE FROM|\bpsycopg|sqlalchemy|postgres|werkzeug|marshmallow|gunicorn"
    r"|jiter|127\.0\.0\.1|localhost|\bport\b|/site-packages|\bPython\b|[^\w.]\d+\.\d+\.\d+",
    re.IGNORECASE,
)


class TestTokens:
    @pytest.mark.parametrize("name", ["token", "access_token", "authorization", "api_key"])
    def test_a_token_in_the_address_opens_nothing_and_is_not_in_the_log(self, live: LiveServer, api: Api, name: str) -> None:
        status, headers, _ = live.call("GET", f"/v1/customers?{name}={api.token}", headers={"X-Request-Id": f"in-address-{name}"})

        assert status == 401
        assert headers["www-authenticate"] == 'Bearer realm="kehu"'
        assert [line.get("route") for line in logged(live, f"in-address-{name}", 2)] == [None, "/v1/customers"]
        assert api.token not in live.log()

    @pytest.mark.parametrize("operation", [one for one in features() if one.values[0].scope is not None])
    def test_no_other_scope_is_enough(self, app: Flask, operation: Operation) -> None:
        clients = [Api(app, scopes=(scope,)) for scope in SCOPES if scope != operation.scope]
        for client in clients:
            client.get("/v1/tokens/self")

        with leases(app) as taken:
            answers = [client.request(operation.method.upper(), operation.address) for client in clients]

        assert {answer.status_code for answer in answers} == {403}
        assert {problem(answer)["scope"] for answer in answers} == {operation.scope}
        assert taken == []

    def test_a_cursor_of_another_token_is_400(self, api: Api) -> None:
        for number in range(2):
            api.post("/v1/customers", {"given_name": f"Li {number}"})
        cursor = api.get("/v1/customers?limit=1").json["next_cursor"]

        answers = [
            client.get(f"/v1/customers?cursor={cursor}") for client in (api, api.with_scopes("*"), api.with_scopes("customers:read"))
        ]

        assert [answer.status_code for answer in answers] == [200, 400, 400]
        assert problem(answers[1])["code"] == "bad_cursor"

    def test_a_rotated_token_goes_on_with_its_cursor(self, api: Api) -> None:
        for number in range(2):
            api.post("/v1/customers", {"given_name": f"Li {number}"})
        cursor = api.get("/v1/customers?limit=1").json["next_cursor"]
        token_id = api.get("/v1/tokens/self").json["id"]

        rotated = Api(api.app, token=api.post(f"/v1/tokens/{token_id}/rotate", {"overlap_seconds": 60}).json["token"])

        assert rotated.get(f"/v1/customers?cursor={cursor}").status_code == 200


class TestForwarded:
    """What a proxy may say, said by somebody else."""

    HEADERS = (
        *("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /evil"),
        *(
            "X-Forwarded-Port: 444",
            "X-Real-IP: 203.0.113.9",
            "Forwarded: for=203.0.113.9;host=evil.example;proto=https",
            "Via: 1.1 evil.example",
        ),
        *("X-Original-URL: /v1/tokens", "X-Rewrite-URL: /v1/tokens", "X-Original-Host: evil.example", "SCRIPT-NAME: /evil"),
    )

    def test_none_of_it_is_in_an_answer_or_in_the_log(self, live: LiveServer, api: Api) -> None:
        for number in range(2):
            api.post("/v1/customers", {"given_name": f"Li {number}"})

        page, made, missing = (
            exchange(live, request(*line, *self.HEADERS, "X-Request-Id: from-evil", token=api.token, host="evil.example", json=json))
            for line, json in {
                ("GET", "/v1/customers?limit=1"): None,
                ("POST", "/v1/customers"): b"{}",
                ("GET", "http://evil.example/v1/nothing"): None,
            }.items()
        )

        assert (page.status, made.status, missing.status) == (200, 201, 404)
        assert page.headers["link"].startswith("</v1/customers?")
        assert made.headers["location"].startswith("/v1/customers/")
        for reply in (page, made, missing):
            assert "evil" not in f"{reply.headers}{reply.body!r}".replace("from-evil", "")
        assert len(logged(live, "from-evil", 3)) == 3
        assert "evil.example" not in live.log()
        assert "203.0.113.9" not in live.log()

    @pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
    def test_a_method_in_a_header_is_no_method(self, api: Api, header: str) -> None:
        made = api.post("/v1/customers", {"given_name": "Li"}).json

        read_only = api.get(f"/v1/customers/{made['id']}", headers={header: "DELETE"})
        override = api.post(f"/v1/customers/{made['id']}", {}, headers={header: "PATCH"})
        parameter = api.get(f"/v1/customers/{made['id']}?_method=DELETE")

        assert (read_only.status_code, override.status_code, parameter.status_code) == (200, 405, 422)
        assert api.get(f"/v1/customers/{made['id']}").json == made

    def test_no_header_gives_a_right(self, api: Api) -> None:
        weak = api.with_scopes("customers:read")
        headers = {"X-Kehu-Scopes": "*", "X-User": "admin", "X-Forwarded-User": "root", "X-Forwarded-For": "127.0.0.1", "Cookie": "admin=1"}

        response = weak.post("/v1/customers", {}, headers=headers)

        assert response.status_code == 403
        assert stored(api) == 0


class TestMethods:
    @pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "LINK", "QUERY", "PUT", "DELETE"])
    def test_a_method_that_is_none_here_is_405_with_those_that_there_are(self, live: LiveServer, api: Api, method: str) -> None:
        reply = exchange(live, request(method, "/v1/customers", "X-Secret: 1", token=api.token))

        assert reply.status == 405
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS, POST"
        assert reply.problem["allowed"] == "GET, HEAD, OPTIONS, POST"
        assert b"X-Secret" not in reply.body

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/meta/limits"])
    def test_what_is_only_to_be_read_takes_nothing_else(self, app: Flask, path: str) -> None:
        answers = [ask(app, method, path) for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE")]

        assert {(answer.status_code, answer.headers["Allow"]) for answer in answers} == {(405, "GET, HEAD, OPTIONS")}

    @pytest.mark.parametrize(
        "line", [b"get /livez HTTP/1.1", b"GET  /livez HTTP/1.1", b"GET /livez HTTP/3.0", b"GET /livez", b"\x16\x03\x01\x02\x00"]
    )
    def test_what_is_no_request_is_400(self, live: LiveServer, line: bytes) -> None:
        reply = exchange(live, line + b"\r\nHost: kehu\r\n\r\n")

        assert reply.problem["code"] == "bad_request"
        assert not INSIDE.search(str(reply.problem["detail"]))


class TestProblems:
    @pytest.fixture
    def hasty(self, config: Config, app: Flask) -> Iterator[Flask]:
        """Waits hardly at all for a lock, wants If-Match, and has an address that fails."""
        assert config.database_url is not None
        hasty = create_app(
            config_for(config.database_url, require_if_match=True, lock_timeout=0.05, statement_timeout=0.5, request_deadline=1.0)
        )

        def fail() -> str:
            raise RuntimeError(
                "postgresql://kehu:hunter2@db.internal:5432 SELECT given_name FROM customers WHERE email = 'anna@example.com'"
            )

        hasty.add_url_rule("/fail", "fail", fail)
        yield hasty
        hasty.extensions["kehu"].database.close()

    def test_no_problem_says_anything_of_the_inside(self, hasty: Flask, api: Api) -> None:
        strict = Api(hasty, token=api.token)
        made = api.post("/v1/customers", {"given_name": "Li", "external_ids": {"shop": "1"}}).json["id"]
        gone = api.post("/v1/customers", {}).json["id"]
        api.delete(f"/v1/customers/{gone}")
        path = f"/v1/customers/{made}"
        provoked: dict[int, Callable[[], TestResponse]] = {
            400: lambda: api.request("POST", "/v1/customers", data=b'{"a":', content_type="application/json"),
            401: lambda: api.anonymous().get("/v1/customers"),
            403: lambda: api.with_scopes("customers:read").post("/v1/customers", {}),
            404: lambda: api.get(f"/v1/customers/{NOBODY}"),
            405: lambda: api.put("/v1/customers", {}),
            406: lambda: api.get(path, headers={"Accept": "text/html"}),
            409: lambda: api.post("/v1/customers", {"external_ids": {"shop": "1"}}),
            410: lambda: api.get(f"/v1/customers/{gone}"),
            412: lambda: api.patch(path, {}, headers={"If-Match": '"9"'}),
            413: lambda: api.request("POST", "/v1/customers", data=b" " * 1_100_000, content_type="application/json"),
            415: lambda: api.request("POST", "/v1/customers", data=b"{}", content_type="text/plain"),
            422: lambda: api.post("/v1/customers", {"email": "'", "phone": "x", "country": "??", "time_zone": "../etc", "_schema": 1}),
            428: lambda: strict.patch(path, {}),
            500: lambda: ask(hasty, "GET", "/fail"),
            503: lambda: _while_locked(hasty, made, lambda: strict.patch(path, {"owner": "a"}, headers={"If-Match": "*"})),
        }

        found = {status: provoke() for status, provoke in provoked.items()}

        assert {status: answer.status_code for status, answer in found.items()} == {status: status for status in provoked}
        for answer in found.values():
            document = problem(answer)
            told = {name: value for name, value in document.items() if name not in ("request_id", "type")}
            assert not INSIDE.search(str(told)), told
            assert document["request_id"] == answer.headers["X-Request-Id"]

    def test_an_error_of_ours_is_in_the_log_by_its_place_and_id_without_its_words(
        self, hasty: Flask, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = ask(hasty, "GET", "/fail")

        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.msg["event"] == "unhandled"]
        assert [line["request_id"] for line in lines] == [response.headers["X-Request-Id"]]
        assert lines[0]["exception"] == "builtins.RuntimeError"
        assert any("test_security.py" in frame for frame in lines[0]["frames"])
        assert "hunter2" not in caplog.text
        assert "anna@example.com" not in caplog.text

    def test_a_row_that_is_locked_is_503_and_changes_nothing(self, hasty: Flask, api: Api) -> None:
        made = api.post("/v1/customers", {"given_name": "Li"}).json["id"]
        client = Api(hasty, token=api.token)

        response = _while_locked(hasty, made, lambda: client.patch(f"/v1/customers/{made}", {"owner": "a"}, headers={"If-Match": "*"}))

        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"
        assert api.get(f"/v1/customers/{made}").json["version"] == 1


class TestLogs:
    PERSONAL = ("anna.log@example.com", "+8613800001111", "13800001111", "Annabella", "logged-key-77", "GRAND-AVENUE", "tag-of-anna")

    def test_neither_ours_nor_the_database_s_holds_personal_data_or_secrets(self, live: LiveServer, api: Api, server_url: str) -> None:
        token = api.post("/v1/tokens", {"name": "Annabella", "scopes": ["*"]}).json["token"]
        secret = token.rpartition("_")[2]
        body = {
            "given_name": "Annabella",
            "email": "anna.log@example.com",
            "phone": "+8613800001111",
            "external_ids": {"shop": "logged-key-77"},
            "addresses": [{"line1": "GRAND-AVENUE"}],
            "tags": ["tag-of-anna"],
            "attributes": {"nick": "Annabella"},
        }
        key = "/v1/customers/by/shop/logged-key-77"

        def call(method: str, path: str, json: object = None, headers: dict[str, str] | None = None) -> int:
            return live.call(method, path, token, json, {"X-Request-Id": "about-anna", **(headers or {})})[0]

        statuses = [
            call("POST", "/v1/customers", body),
            call("POST", "/v1/customers", body),
            call("POST", "/v1/customers", {**body, "email": "anna.log@example.com@", "phone": "13800001111"}),
            call("POST", "/v1/customers", {"Annabella": "anna.log@example.com"}),
            call("GET", "/v1/customers?q=Annabella&email=anna.log@example.com&phone=%2B8613800001111&tag=tag-of-anna"),
            call("GET", "/v1/customers?anna.log@example.com=1"),
            call("GET", key),
            call("PUT", key, {"owner": "Annabella"}),
            call("PUT", f"{key}?mode=create", {"owner": "Annabella"}),
            call("PATCH", key, {}),
            call("GET", "/v1/anna.log@example.com"),
            call("GET", f"/v1/customers?access_token={token}"),
            call("GET", "/v1/customers", headers={"Authorization": f"Basic {token}", "Cookie": f"t={token}", "User-Agent": "Annabella"}),
            call("GET", "/v1/customers", headers={"X-Request-Id": "anna.log@example.com about-anna"}),
            exchange(live, request("GET", "/anna.log@example.com " + token, "X: 1")).status,
            exchange(live, request("GET", "/", "anna.log@example.com " + token)).status,
        ]

        assert statuses == [201, 409, 422, 422, 200, 422, 200, 200, 409, 405, 404, 422, 401, 200, 400, 400]
        lines = logged(live, "about-anna", 13)
        told = live.log() + _log_of(server_url)
        assert [word for word in (*self.PERSONAL, secret, secret[:20], api.token) if word in told] == []
        assert {line["route"] for line in lines if line["event"] == "request"} == {
            *("/v1/customers", "/v1/customers/by/<source:source>/<external_id:external_id>", "unmatched"),
        }

    def test_what_is_refused_for_want_of_a_right_is_counted_and_logged_with_its_id(self, live: LiveServer, api: Api) -> None:
        weak = api.with_scopes("customers:read").token
        before = _refused(live)

        for number in range(3):
            live.call("GET", "/v1/customers", headers={"X-Request-Id": f"refused-{number}"})
            live.call("POST", "/v1/customers", weak, {}, headers={"X-Request-Id": f"refused-{number}"})

        after = _refused(live)
        assert {code: after[code] - before.get(code, 0) for code in after} == {"unauthenticated": 3, "scope_missing": 3}
        lines = [line for line in logged(live, "refused-1", 4) if line["event"] == "refused"]
        assert [(line["code"], line["scope"]) for line in lines] == [("unauthenticated", None), ("scope_missing", "customers:write")]


class TestConnections:
    def test_a_request_hidden_behind_another_is_not_taken_for_part_of_it(self, live: LiveServer, api: Api) -> None:
        hidden = request("DELETE", "/v1/customers", token=api.token)
        sent = request("POST", "/v1/customers", "Content-Length: 0", "Transfer-Encoding: chunked", close=False) + b"0\r\n\r\n" + hidden

        reply = exchange(live, sent)

        assert reply.problem["code"] == "bad_request"
        assert reply.body.count(b"HTTP/1.1 ") == 0

    def test_requests_sent_at_once_are_answered_one_by_one_each_by_its_own_token(self, live: LiveServer, api: Api) -> None:
        first = request("GET", "/v1/tokens/self", "X-Request-Id: one", token=api.token, close=False)
        second = request("GET", "/v1/tokens/self", "X-Request-Id: two")

        with connect(live, first + second) as connection:
            reply = read(connection)

        assert reply.headers["x-request-id"] == "one"
        assert reply.body.count(b"HTTP/1.1 401 ") == 1
        assert b"X-Request-Id: two" in reply.body


def _while_locked(app: Flask, customer_id: str, call: Callable[[], TestResponse]) -> TestResponse:
    """What `call` returns while another session holds the customer's row."""
    engine = create_engine(app.extensions["kehu"].config.database_url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT 1 FROM customers WHERE id = :id FOR UPDATE"), {"id": customer_id})
        return call()


def _refused(server: LiveServer) -> dict[str, float]:
    _, _, raw = server.call("GET", "/metrics")
    return {code: float(count) for code, count in re.findall(r'kehu_refused_total\{code="(\w+)"\} (\S+)', raw.decode())}


def _log_of(server_url: str) -> str:
    """What the embedded PostgreSQL of these tests has written; another one's log is out of reach."""
    directory = make_url(server_url).query.get("host")
    logs = list(Path(str(directory)).parent.rglob("postgres.log")) if directory else []
    return "".join(log.read_text(errors="replace") for log in logs)
