"""Protects KEHU_REQUIRE_IF_MATCH: where it is set, a change that does not name its version is 428, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.factory import create_app
from tests.builders import customer
from tests.client import Api, problem
from tests.conftest import config_for


@pytest.fixture
def strict(app: Flask, database_url: str) -> Iterator[Api]:
    """The API of an installation that wants every change to carry If-Match."""
    other = create_app(config_for(database_url, require_if_match=True))
    yield Api(other)
    other.extensions["kehu"].database.close()


def change(api: Api, made: dict[str, Any], kind: str, headers: dict[str, str]) -> Any:
    path = f"/v1/customers/{made['id']}"
    match kind:
        case "patch":
            return api.patch(path, {"owner": "anna"}, headers=headers)
        case "delete":
            return api.delete(path, headers=headers)
        case "put":
            return api.put("/v1/customers/by/shop/1", {"owner": "anna"}, headers=headers)
    return api.delete("/v1/customers/by/shop/1", headers=headers)


@pytest.mark.parametrize("kind", ["patch", "delete", "put", "detach"])
class TestChange:
    def test_without_if_match_it_is_428_and_nothing_is_changed(self, strict: Api, kind: str) -> None:
        made = customer(strict, external_ids={"shop": "1"})

        response = change(strict, made, kind, {})

        assert response.status_code == 428
        assert problem(response)["code"] == "if_match_required"
        assert strict.get(f"/v1/customers/{made['id']}").json == made

    def test_with_the_stored_version_it_is_made(self, strict: Api, kind: str) -> None:
        made = customer(strict, external_ids={"shop": "1"})

        response = change(strict, made, kind, {"If-Match": '"1.0"'})

        assert response.status_code in (200, 204)

    def test_with_any_version_it_is_made(self, strict: Api, kind: str) -> None:
        made = customer(strict, external_ids={"shop": "1"})

        assert change(strict, made, kind, {"If-Match": "*"}).status_code in (200, 204)

    def test_with_another_version_it_is_412(self, strict: Api, kind: str) -> None:
        made = customer(strict, external_ids={"shop": "1"})

        assert change(strict, made, kind, {"If-Match": '"2.0"'}).status_code == 412


class TestWithoutAVersion:
    def test_what_is_not_there_yet_needs_none(self, strict: Api) -> None:
        assert strict.post("/v1/customers", {}).status_code == 201
        assert strict.put("/v1/customers/by/shop/1", {}).status_code == 201

    def test_what_is_gone_is_said_before_it_is_asked_for(self, strict: Api) -> None:
        made = customer(strict)
        strict.delete(f"/v1/customers/{made['id']}", headers={"If-Match": "*"})

        assert strict.patch(f"/v1/customers/{made['id']}", {}).status_code == 410
        assert strict.delete(f"/v1/customers/{made['id']}").status_code == 204
        assert strict.post(f"/v1/customers/{made['id']}/restore").status_code == 200

    def test_a_token_needs_none(self, strict: Api) -> None:
        made = strict.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json

        assert strict.post(f"/v1/tokens/{made['id']}/rotate").status_code == 200
        assert strict.delete(f"/v1/tokens/{made['id']}").status_code == 204
