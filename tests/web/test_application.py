"""Protects answers that are written without Werkzeug's help: the same bytes go out as by its own Response, and routing asks no Host."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from flask import Flask, Response, request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, run_wsgi_app
from werkzeug.wrappers import Response as AnyResponse

from app.web.application import Application, Plain
from tests.client import Api

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
HEADERS = st.dictionaries(st.sampled_from(["ETag", "Link", "Kehu-Position", "Cache-Control", "X-One"]), PRINTABLE)
STATUSES = st.sampled_from([200, 201, 207])


def sent(response: AnyResponse, method: str) -> tuple[bytes, str, dict[str, str]]:
    body, status, headers = run_wsgi_app(response, {"REQUEST_METHOD": method, "wsgi.url_scheme": "http", "HTTP_HOST": "kehu"})
    return b"".join(body), status, dict(headers)


class TestPlain:
    @given(st.binary(max_size=50), STATUSES, HEADERS, st.sampled_from(["GET", "HEAD", "POST"]))
    def test_it_goes_out_as_werkzeugs_own(self, payload: bytes, status: int, headers: dict[str, str], method: str) -> None:
        own = Plain(payload, status, headers, mimetype="application/json")

        expected = Response(payload, status=status, headers=headers, mimetype="application/json")
        assert sent(own, method) == sent(expected, method)

    @given(st.sampled_from([204, 304]), HEADERS, st.sampled_from(["GET", "HEAD", "DELETE"]))
    def test_without_a_body_it_has_neither_type_nor_length(self, status: int, headers: dict[str, str], method: str) -> None:
        body, line, told = sent(Plain(b"", status, headers), method)

        assert (body, line, told) == (b"", f"{status} {HTTPStatus(status).phrase}".upper(), headers)

    def test_its_bytes_and_headers_can_be_kept_and_added_to(self) -> None:
        answer = Plain(b"{}", 201, {"ETag": '"1.0"'}, mimetype="application/json")

        answer.headers["Kehu-Position"] = "p"

        assert answer.get_data() == b"{}"
        assert answer.status_code == 201
        assert sent(answer, "POST")[2]["Kehu-Position"] == "p"


@pytest.fixture
def application() -> Flask:
    app = Application("app", static_folder=None)

    @app.route("/things/<path:name>", methods=["GET", "PUT"])
    def show(name: str) -> str:
        return f"{request.method} {name}"

    return app


class TestApplication:
    @pytest.mark.parametrize("host", ["evil.example", "", "a b", "[::1", "kehu:80:80", "ü"])
    def test_the_host_that_is_asked_for_is_nobodys_business(self, application: Flask, host: str) -> None:
        response = Client(application).get("/things/one", headers={"Host": host.encode().decode("latin-1")})

        assert response.get_data(as_text=True) == "GET one"

    def test_an_address_is_utf8(self, application: Flask) -> None:
        response = Client(application).get("/things/张伟/%2F%E5%BC%A0")

        assert response.get_data(as_text=True) == "GET 张伟//张"

    def test_a_wrong_method_is_405_with_those_that_there_are(self, application: Flask) -> None:
        response = Client(application).post("/things/one")

        assert response.status_code == 405
        assert {"GET", "PUT"} <= set(response.headers["Allow"].split(", "))

    def test_what_is_to_be_done_before_a_request_is_done(self, application: Flask) -> None:
        application.before_request(lambda: "first")

        assert Client(application).get("/things/one").get_data(as_text=True) == "first"

    def test_nothing_is_kept_from_one_request_to_the_next(self, api: Api) -> None:
        assert "Set-Cookie" not in api.get("/v1/tokens/self").headers
