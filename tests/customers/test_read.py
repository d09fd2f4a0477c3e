"""Protects the reads of one customer: by its id and by the id of another system, whole, or 304, 404 and 410."""

from __future__ import annotations

import pytest

from tests.builders import customer, execute, whole_customer
from tests.client import Api, problem


class TestGet:
    def test_a_customer_is_answered_whole_with_its_etag(self, api: Api) -> None:
        made = customer(api, **whole_customer())

        response = api.get(f"/v1/customers/{made['id']}")

        assert response.status_code == 200
        assert response.json == made
        assert response.headers["ETag"] == '"1.0"'

    @pytest.mark.parametrize("other", ["01890000-0000-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000", "1", "x" * 1000])
    def test_an_id_of_nobody_is_404(self, api: Api, other: str) -> None:
        customer(api)

        response = api.get(f"/v1/customers/{other}")

        assert response.status_code == 404
        assert problem(response)["code"] == "not_found"

    def test_an_id_in_upper_case_is_the_same_id(self, api: Api) -> None:
        made = customer(api)

        response = api.get(f"/v1/customers/{made['id'].upper()}")

        assert response.json == made

    def test_a_deleted_customer_is_410_with_the_time_of_its_end(self, api: Api) -> None:
        made = customer(api)
        api.delete(f"/v1/customers/{made['id']}")

        response = api.get(f"/v1/customers/{made['id']}")

        assert response.status_code == 410
        told = problem(response)
        assert told["code"] == "customer_deleted"
        assert told["existing_id"] == made["id"]
        assert told["deleted_at"].endswith("Z")
        assert told["deleted_at"] > made["created_at"]

    @pytest.mark.parametrize("tag", ['"1.0"', 'W/"1.0"', '"9.9", "1.0"', "*"])
    def test_the_true_etag_is_304_with_the_etag(self, api: Api, tag: str) -> None:
        made = customer(api)

        response = api.get(f"/v1/customers/{made['id']}", headers={"If-None-Match": tag})

        assert response.status_code == 304
        assert response.headers["ETag"] == '"1.0"'

    @pytest.mark.parametrize("tag", ['"1"', '"1.1"', '"2.0"', '"x"', ""])
    def test_another_etag_is_the_whole_answer(self, api: Api, tag: str) -> None:
        made = customer(api)

        response = api.get(f"/v1/customers/{made['id']}", headers={"If-None-Match": tag})

        assert response.status_code == 200
        assert response.json == made

    def test_a_new_interaction_is_another_etag(self, api: Api) -> None:
        # The contact history raises metrics_version and not version.
        made = customer(api)
        execute(api.app, "UPDATE customers SET metrics_version = metrics_version + 1, contact_count = 1")

        response = api.get(f"/v1/customers/{made['id']}", headers={"If-None-Match": '"1.0"'})

        assert response.status_code == 200
        assert response.headers["ETag"] == '"1.1"'

    def test_an_unknown_parameter_is_422(self, api: Api) -> None:
        made = customer(api)

        response = api.get(f"/v1/customers/{made['id']}?fields=id")

        assert response.status_code == 422


class TestGetByExternalId:
    def test_the_customer_is_answered_whole(self, api: Api) -> None:
        made = customer(api, **whole_customer(external_ids={"shop": "1"}))

        response = api.get("/v1/customers/by/shop/1")

        assert response.status_code == 200
        assert response.json == made
        assert response.headers["ETag"] == '"1.0"'

    def test_an_id_that_stands_for_nobody_is_404(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})

        assert api.get("/v1/customers/by/shop/2").status_code == 404
        assert api.get("/v1/customers/by/erp/1").status_code == 404

    def test_a_deleted_customer_is_410(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})
        api.delete(f"/v1/customers/{made['id']}")

        response = api.get("/v1/customers/by/shop/1")

        assert response.status_code == 410
        assert problem(response)["existing_id"] == made["id"]

    def test_the_true_etag_is_304(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})

        response = api.get("/v1/customers/by/shop/1", headers={"If-None-Match": '"1.0"'})

        assert response.status_code == 304

    @pytest.mark.parametrize("source", ["Shop", "a b", "x" * 65, "商店"])
    def test_a_source_that_can_be_none_is_422(self, api: Api, source: str) -> None:
        response = api.get(f"/v1/customers/by/{source}/1")

        assert response.status_code == 422
        assert [fault["pointer"] for fault in problem(response)["errors"]] == ["path.source"]

    @pytest.mark.parametrize("external_id", ["x" * 256, "a%0Ab", "%E2%80%AE1", "%20"])
    def test_an_external_id_that_can_be_none_is_422(self, api: Api, external_id: str) -> None:
        response = api.get(f"/v1/customers/by/shop/{external_id}")

        assert response.status_code == 422
        assert [fault["pointer"] for fault in problem(response)["errors"]] == ["path.external_id"]

    def test_nul_in_an_external_id_is_404(self, api: Api) -> None:
        response = api.get("/v1/customers/by/shop/a%00b")

        assert response.status_code == 404
