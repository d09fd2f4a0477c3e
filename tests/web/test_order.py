"""Protects the order in which a request's faults are told: of two that it has, the one that is promised to be found first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.config import Config
from app.factory import create_app
from tests.client import Api, problem
from tests.conftest import config_for
from tests.faults.inputs import NOBODY

JSON = "application/json"
TOO_LARGE = b"{" + b" " * 1_100_000
KEY = "/v1/customers/by/shop/1"


@pytest.fixture
def strict(config: Config, api: Api) -> Iterator[Api]:
    """The same token at an installation that wants If-Match."""
    assert config.database_url is not None
    app = create_app(config_for(config.database_url, require_if_match=True))
    yield Api(app, token=api.token)
    app.extensions["kehu"].database.close()


@pytest.fixture
def customer(api: Api) -> str:
    """The address of one that is there, under `KEY` too."""
    return f"/v1/customers/{api.post('/v1/customers', {'external_ids': {'shop': '1'}}).json['id']}"


@pytest.fixture
def deleted(api: Api) -> str:
    path = f"/v1/customers/{api.post('/v1/customers', {}).json['id']}"
    api.delete(path)
    return path


class TestBeforeTheRequestIsRead:
    """Each request has two faults of neighbouring rank, and every later one that can be had beside them."""

    def test_the_method_comes_before_the_token(self, app: Flask) -> None:
        response = Api(app, token="").put("/v1/customers", {})

        assert response.status_code == 405

    def test_the_address_comes_before_the_token(self, app: Flask) -> None:
        assert Api(app, token="").get("/v1/nothing").status_code == 404

    def test_the_token_comes_before_the_type_of_the_answer(self, app: Flask) -> None:
        response = Api(app, token="").post("/v1/customers?x=1", {}, headers={"Accept": "text/html"})

        assert response.status_code == 401

    def test_the_scope_comes_before_the_type_of_the_answer(self, api: Api) -> None:
        response = api.with_scopes("customers:read").post("/v1/customers?x=1", {}, headers={"Accept": "text/html"})

        assert response.status_code == 403

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_the_type_of_the_answer_comes_before_the_size(self, api: Api, customer: str, method: str) -> None:
        path = "/v1/customers" if method == "POST" else customer

        response = api.request(method, path, data=TOO_LARGE, content_type="text/plain", headers={"Accept": "text/html"})

        assert response.status_code == 406

    def test_the_size_comes_before_the_type_of_the_body(self, api: Api) -> None:
        response = api.request("POST", "/v1/customers?x=1", data=TOO_LARGE, content_type="text/plain")

        assert response.status_code == 413

    def test_the_type_of_the_body_comes_before_its_form(self, api: Api) -> None:
        response = api.request("POST", "/v1/customers?x=1", data=b"{", content_type="text/plain")

        assert response.status_code == 415

    @pytest.mark.parametrize("faults", [{"data": b"{"}, {"data": b'{"a":1,"a":1}'}, {"data": b'{"given_name":1}{'}])
    def test_the_form_of_the_body_comes_before_what_it_says(self, api: Api, customer: str, faults: dict[str, Any]) -> None:
        response = api.request("PATCH", f"{customer}?x=1", content_type=JSON, headers={"If-Match": '"9"'}, **faults)

        assert response.status_code == 400


class TestBeforeAnythingIsWritten:
    @pytest.mark.parametrize(
        ("query", "body", "headers"),
        [
            ("", {"given_nam": "Li"}, {}),
            ("?x=1", {}, {}),
            ("", {"kind": None}, {"If-Match": '"9"'}),
            ("", {"given_name": 1}, {"Idempotency-Key": "a"}),
            ("", {}, {"Idempotency-Key": "ü"}),
        ],
    )
    @pytest.mark.parametrize("which", ["nobody", "deleted"])
    def test_what_the_request_says_comes_before_what_is_there(
        self, api: Api, deleted: str, which: str, query: str, body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        path = deleted if which == "deleted" else f"/v1/customers/{NOBODY}"

        response = api.patch(f"{path}{query}", body, headers=headers)

        assert response.status_code == 422

    def test_what_is_not_there_comes_before_a_missing_if_match(self, strict: Api) -> None:
        assert strict.patch(f"/v1/customers/{NOBODY}", {}).status_code == 404
        assert strict.delete(f"/v1/customers/{NOBODY}").status_code == 404
        assert strict.put(f"{KEY}?mode=update", {}).status_code == 404

    def test_what_is_not_there_comes_before_another_version(self, api: Api) -> None:
        assert api.patch(f"/v1/customers/{NOBODY}", {}, headers={"If-Match": '"9"'}).status_code == 404

    def test_what_is_deleted_comes_before_a_missing_if_match_and_another_version(self, api: Api, strict: Api, deleted: str) -> None:
        assert strict.patch(deleted, {}).status_code == 410
        assert api.patch(deleted, {}, headers={"If-Match": '"9"'}).status_code == 410
        assert api.patch(deleted, {}, headers={"If-None-Match": "*"}).status_code == 410

    def test_a_missing_if_match_comes_before_a_conflict(self, api: Api, strict: Api, customer: str) -> None:
        api.post("/v1/customers", {"external_ids": {"erp": "9"}})

        answers = [strict.put(f"{KEY}?mode=create", {}), strict.patch(customer, {"external_ids": {"erp": "9"}})]

        assert [answer.status_code for answer in answers] == [428, 428]

    def test_another_version_comes_before_a_conflict(self, api: Api, customer: str) -> None:
        api.post("/v1/customers", {"external_ids": {"erp": "9"}})
        stale = {"If-Match": '"9"'}

        answers = [api.put(f"{KEY}?mode=create", {}, headers=stale), api.patch(customer, {"external_ids": {"erp": "9"}}, headers=stale)]

        assert [answer.status_code for answer in answers] == [412, 412]

    def test_the_last_is_the_conflict(self, api: Api, customer: str) -> None:
        taken = api.post("/v1/customers", {"external_ids": {"erp": "9"}}).json["id"]

        response = api.patch(customer, {"external_ids": {"erp": "9"}}, headers={"If-Match": '"1"'})

        assert response.status_code == 409
        assert problem(response)["existing_id"] == taken
