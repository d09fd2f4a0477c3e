"""Protects what holds of every answer: an id, a trace, a problem document for every error, and nothing in HTML."""

from __future__ import annotations

import json
import re

import pytest
from flask import Flask

from tests.client import Api, problem
from tests.live import LiveServer
from tests.web.wire import ask, exchange, logged, request

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class TestProblems:
    @pytest.mark.parametrize(
        "path", ["/", "/v1", "/v1/", "/v1/nothing", "/favicon.ico", "/v1/customers/", "/docs/", "/docs/assets/nothing.js"]
    )
    @pytest.mark.parametrize("accept", ["*/*", "text/html", "application/xml"])
    def test_an_address_that_is_none_is_a_problem_whatever_is_asked_for(self, app: Flask, path: str, accept: str) -> None:
        response = ask(app, "GET", path, headers={"Accept": accept})

        assert response.status_code == 404
        assert problem(response)["code"] == "not_found"
        assert response.headers["Cache-Control"] == "no-store"

    def test_every_member_of_a_problem_is_there(self, api: Api) -> None:
        response = api.get("/v1/nothing", headers={"X-Request-Id": "one"})

        assert response.json == {
            "type": "urn:kehu:problem:not_found",
            "title": "Not found",
            "status": 404,
            "detail": "There is nothing at this address.",
            "code": "not_found",
            "request_id": "one",
        }

    def test_405_names_the_methods_in_one_order(self, app: Flask) -> None:
        response = ask(app, "DELETE", "/v1/customers")

        assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        assert problem(response)["allowed"] == "GET, HEAD, OPTIONS, POST"

    @pytest.mark.parametrize("path", ["/v1/customers", "/livez", "/v1/nothing", "/v1/tokens/self"])
    def test_head_is_get_without_its_body(self, live: LiveServer, api: Api, path: str) -> None:
        got = exchange(live, request("GET", path, token=api.token))

        reply = exchange(live, request("HEAD", path, token=api.token))

        assert reply.status == got.status
        assert reply.headers["content-type"] == got.headers["content-type"]
        assert reply.headers["content-length"] == got.headers["content-length"]
        assert reply.body == b""

    def test_head_of_a_refused_address_has_no_body_and_warns_nobody(self, live: LiveServer) -> None:
        reply = exchange(live, request("HEAD", "/v1/customers/%ff", "X-Request-Id: head-1"))

        assert reply.status == 400
        assert reply.body == b""
        assert len(logged(live, "head-1", 1)) == 1

    @pytest.mark.parametrize("path", ["/v1/meta/limits", "/livez", "/docs"])
    def test_options_names_the_methods_without_a_token_and_without_a_body(self, app: Flask, path: str) -> None:
        response = ask(app, "OPTIONS", path)

        assert response.status_code == 204
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
        assert "Content-Type" not in response.headers
        assert response.get_data() == b""
        assert response.headers["X-Request-Id"]

    def test_options_of_an_address_that_is_none_is_404(self, app: Flask) -> None:
        assert problem(ask(app, "OPTIONS", "/v1/nothing"))["code"] == "not_found"

    def test_an_answer_without_a_body_has_no_type(self, api: Api) -> None:
        made = api.post("/v1/customers", {}).json["id"]

        response = api.delete(f"/v1/customers/{made}")

        assert response.status_code == 204
        assert "Content-Type" not in response.headers


class TestAccept:
    @pytest.mark.parametrize(
        "accept",
        [
            *("", " ", "*/*", "application/*", "application/json", "APPLICATION/JSON", "application/json; charset=utf-8"),
            *("application/json;odata=verbose", "text/html, application/json;q=0.1", "text/html,*/*;q=0.01", "*/*;q=0, application/json"),
            *("application/*;q=0, application/json;q=0.001", "application/json;v=1;q=0.5", ",,application/json,"),
        ],
    )
    def test_json_is_answered_where_it_is_not_ruled_out(self, api: Api, accept: str) -> None:
        assert api.get("/v1/customers", headers={"Accept": accept}).status_code == 200

    @pytest.mark.parametrize(
        "accept",
        [
            *("text/html", "application/xml", "application/problem+json", "application/jsonp", "json", "application/json;q=0", "nonsense"),
            *("*/*;q=0", "application/json; q=0.000, */*", "application/*;q=0, */*", "text/*, image/*;q=0.9"),
        ],
    )
    def test_what_rules_json_out_is_406(self, api: Api, accept: str) -> None:
        response = api.get("/v1/customers", headers={"Accept": accept})

        assert response.status_code == 406
        assert problem(response)["offered"] == "application/json"

    def test_nothing_is_written_for_somebody_who_could_not_read_the_answer(self, api: Api) -> None:
        response = api.post("/v1/customers", {}, headers={"Accept": "text/html"})

        assert response.status_code == 406
        assert api.get("/v1/customers").json["data"] == []


class TestRequestIds:
    @pytest.mark.parametrize("given", ["a", "A-1.b_c:d/e+f=", "0" * 128, "01890000-0000-7000-8000-000000000000"])
    def test_the_caller_s_own_is_returned(self, api: Api, given: str) -> None:
        answers = [api.get(path, headers={"X-Request-Id": given}) for path in ("/v1/customers", "/v1/nothing", "/livez")]

        assert {answer.headers["X-Request-Id"] for answer in answers} == {given}
        assert problem(answers[1])["request_id"] == given

    @pytest.mark.parametrize("given", ["", " ", "a b", "0" * 129, "ü", "a\tb", '"', "<script>", "a,b", "{}"])
    def test_what_is_no_id_is_replaced(self, api: Api, given: str) -> None:
        answers = [api.get("/v1/nothing", headers={"X-Request-Id": given}) for _ in range(2)]

        made = [answer.headers["X-Request-Id"] for answer in answers]
        assert all(re.fullmatch("[0-9a-f]{32}", text) for text in made)
        assert [problem(answer)["request_id"] for answer in answers] == made
        assert made[0] != made[1]

    def test_it_is_in_the_event_of_the_write(self, api: Api) -> None:
        made = api.post("/v1/customers", {}, headers={"X-Request-Id": "order-7"}).json["id"]

        assert api.get(f"/v1/customers/{made}/changes").json["data"][0]["request_id"] == "order-7"

    def test_it_is_in_every_line_of_the_log(self, live: LiveServer, api: Api) -> None:
        live.call("GET", "/v1/customers", headers={"X-Request-Id": "line-401"})
        live.call("GET", "/v1/customers", api.token, headers={"X-Request-Id": "line-200"})

        refused, told = logged(live, "line-401", 2)
        assert (refused["event"], told["event"], told["status"]) == ("refused", "request", 401)
        (served,) = logged(live, "line-200", 1)
        assert (served["status"], served["route"], served["method"]) == (200, "/v1/customers", "GET")

    def test_it_is_made_where_a_request_never_reaches_the_application(self, live: LiveServer) -> None:
        reply = exchange(live, b"GET / HTTP/1.1\r\nbad header\r\n\r\n")

        assert re.fullmatch("[0-9a-f]{32}", reply.problem["request_id"])
        assert f"request_id={reply.headers['x-request-id']}" in live.log()

    def test_a_worker_s_thread_does_not_keep_the_id_of_the_request_before(self, live: LiveServer) -> None:
        for _ in range(20):
            live.call("GET", "/v1/customers", headers={"X-Request-Id": "kept-1"})
        live.call("GET", "/v1/customers", headers={"X-Request-Id": "kept-2"})

        assert [line["event"] for line in logged(live, "kept-2", 2)] == ["refused", "request"]


class TestTraces:
    @pytest.mark.parametrize(
        ("traceparent", "trace"),
        [
            (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
            (f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be", TRACE),
            (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
            (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
            (f"00-{TRACE}-{'0' * 16}-01", None),
            (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
            (f"00-{TRACE}-00f067aa0ba902b7", None),
            ("nonsense", None),
        ],
    )
    def test_the_trace_s_id_is_logged_where_it_is_one(
        self, app: Flask, capsys: pytest.CaptureFixture[str], traceparent: str, trace: str
    ) -> None:
        ask(app, "GET", "/livez", headers={"traceparent": traceparent})

        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["trace_id"] for line in lines if line["event"] == "request"] == [trace]


class TestMetrics:
    def test_neither_addresses_nor_methods_that_are_none_make_new_labels(self, app: Flask) -> None:
        for number in range(5):
            ask(app, "GET", f"/v1/nothing/{number}")
            ask(app, f"METHOD{number}", "/v1/customers")
            ask(app, "GET", f"/v1/customers/{number}")

        found = ask(app, "GET", "/metrics").get_data(as_text=True)

        assert 'method="-",route="unmatched",status="404"' in found
        assert 'method="-",route="unmatched",status="405"' in found
        assert "METHOD" not in found
        assert "nothing" not in found
