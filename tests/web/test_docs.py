"""Protects the page for people, which works without internet, and the caps, which programs read."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from app.config import Config
from app.core import limits
from tests.client import Api, pointers, problem
from tests.web.wire import ask

# Names in documents, which nobody fetches: of XML's kinds, of licences, of standards, of examples.
NAMES = re.compile(r"https?://(www\.w3\.org|json-schema\.org|spec\.openapis\.org|[\w.]*example\.(com|org))")


class TestPage:
    def test_it_loads_nothing_from_elsewhere(self, app: Flask) -> None:
        page = ask(app, "GET", "/docs")

        html = page.get_data(as_text=True)
        assert page.mimetype == "text/html"
        assert "//" not in html
        policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert all(source in ("'none'", "'self'", "'unsafe-inline'", "data:") for sources in policy.values() for source in sources.split())
        assert "'unsafe-inline'" not in policy["script-src"]

    def test_everything_that_it_names_is_served_here(self, app: Flask) -> None:
        html = ask(app, "GET", "/docs").get_data(as_text=True)
        named = re.findall(r'(?:src|href)="([^"]+)"', html)

        served = {name: ask(app, "GET", name) for name in named}

        assert len(named) >= 4
        assert {answer.status_code for answer in served.values()} == {200}
        assert all(answer.get_data() for answer in served.values())

    def test_its_script_asks_no_validator_and_keeps_no_token(self, app: Flask) -> None:
        script = ask(app, "GET", "/docs/assets/start.js").get_data(as_text=True)

        assert "validatorUrl: null" in script
        assert "persistAuthorization: false" in script
        assert '"/openapi.json"' in script
        assert "http" not in script

    def test_its_style_loads_nothing(self, app: Flask) -> None:
        style = ask(app, "GET", "/docs/assets/swagger-ui.css").get_data(as_text=True)

        assert "@import" not in style
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style)

    @pytest.mark.parametrize(
        "name", ["..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "../../../etc/passwd", "index.html", "swagger-ui.css.map", "", "%00", "start.js/"]
    )
    def test_no_other_file_is_served(self, app: Flask, name: str) -> None:
        assert problem(ask(app, "GET", f"/docs/assets/{name}"))["code"] == "not_found"

    def test_the_document_names_no_other_place(self, app: Flask) -> None:
        document = ask(app, "GET", "/openapi.json").get_data(as_text=True)

        assert re.findall(r"https?://", NAMES.sub("", document)) == []


class TestLimits:
    def test_every_cap_is_listed_without_a_token(self, app: Flask, config: Config) -> None:
        response = ask(app, "GET", "/v1/meta/limits")

        caps = {name.lower(): value for name, value in vars(limits).items() if name.isupper()}
        ours = {
            "body_bytes_max": config.max_body_bytes,
            "process_requests_max": config.threads - 1,
            "process_streams_max": config.threads // 2,
        }
        assert response.json == ours | caps
        assert {"page_max", "nesting_max", "tags_max", "name_max", "members_max", "faults_max"} <= set(response.json)

    def test_what_it_says_is_what_holds(self, api: Api) -> None:
        caps = api.get("/v1/meta/limits").json

        assert api.get(f"/v1/customers?limit={caps['page_max']}").status_code == 200
        assert list(pointers(api.get(f"/v1/customers?limit={caps['page_max'] + 1}"))) == ["query.limit"]
        assert api.post("/v1/customers", {"tags": [f"t{number}" for number in range(caps["tags_max"])]}).status_code == 201
        assert list(pointers(api.post("/v1/customers", {"tags": ["t"] * (caps["tags_max"] + 1)}))) == ["/tags"]
        assert api.post("/v1/customers", {"given_name": "a" * caps["name_max"]}).status_code == 201
        assert list(pointers(api.post("/v1/customers", {"given_name": "a" * (caps["name_max"] + 1)}))) == ["/given_name"]
