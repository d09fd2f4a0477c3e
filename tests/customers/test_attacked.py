"""Protects what an attack from outside once got through: each test is named after what was seen."""

from __future__ import annotations

import pytest

from tests.client import Api, pointers


class TestStale:
    def test_a_late_message_does_not_bring_back_a_deleted_customer(self, api: Api) -> None:
        made = api.put("/v1/customers/by/shop/1", {"source_updated_at": "2026-01-02T00:00:00Z"})
        api.delete(f"/v1/customers/{made.json['id']}")

        late = api.put("/v1/customers/by/shop/1?deleted=restore", {"source_updated_at": "2020-01-01T00:00:00Z"})

        assert late.status_code == 200
        assert late.headers["Kehu-Stale"] == "true"
        assert "Kehu-Position" not in late.headers
        assert late.json["version"] == 2
        assert api.get("/v1/customers/by/shop/1").status_code == 410


class TestExternalIds:
    @pytest.mark.parametrize("sent", [" k1", "k1 ", "k1\u00a0"])
    def test_ids_that_differ_by_a_space_do_not_become_one_customer(self, api: Api, sent: str) -> None:
        response = api.post("/v1/customers", {"external_ids": {"shop": sent}})

        assert pointers(response) == {"/external_ids/shop": "surrounding_space"}
        assert pointers(api.put("/v1/customers/by/shop/k1%20", {})) == {"path.external_id": "surrounding_space"}


class TestRequestIds:
    @pytest.mark.parametrize("sent", ["+4915112345678", "kehu_0123_secret", "anna@example.com", "4915112345678"])
    def test_what_could_be_personal_or_secret_is_no_request_id(self, api: Api, sent: str) -> None:
        response = api.get("/livez", headers={"X-Request-Id": sent})

        assert response.headers["X-Request-Id"] != sent
