"""Protects what a caller gets back from the first write of a customer, and that a refused one leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.builders import EMPTY_METRICS, customer, events, rows, whole_customer
from tests.client import Api, pointers, problem


class TestCreate:
    def test_a_new_customer_is_answered_whole_and_normalised(self, api: Api) -> None:
        sent = {
            "given_name": "Jose\u0301",
            "email": "Jo@EXAMPLE.com",
            "phone": "138 1234 5678",
            "country": "cn",
            "external_ids": {"shop": "1"},
        }

        response = api.post("/v1/customers", sent)

        assert response.status_code == 201
        assert response.headers["ETag"] == '"1.0"'
        assert response.headers["Location"] == f"/v1/customers/{response.json['id']}"
        assert response.json == {
            **dict.fromkeys(
                ("display_name", "family_name", "organization_name", "organization_id", "birthday", "gender", "locale", "time_zone")
            ),
            **dict.fromkeys(("lifecycle_stage", "owner", "source", "source_updated_at", "deleted_at")),
            "id": response.json["id"],
            "kind": "person",
            "given_name": "José",
            "email": "Jo@example.com",
            "phone": "+8613812345678",
            "alternate_emails": [],
            "alternate_phones": [],
            "country": "CN",
            "addresses": [],
            "tags": [],
            "status": "active",
            "external_ids": {"shop": "1"},
            "attributes": {},
            "metrics": EMPTY_METRICS,
            "version": 1,
            "created_at": response.json["created_at"],
            "updated_at": response.json["created_at"],
        }

    def test_every_field_comes_back_as_it_was_sent(self, api: Api) -> None:
        organization = customer(api)["id"]
        sent = whole_customer(organization_id=organization)

        response = api.post("/v1/customers", sent)

        assert response.status_code == 201
        made = response.json
        assert made == sent | {
            "id": made["id"],
            "metrics": EMPTY_METRICS,
            "version": 1,
            "created_at": made["created_at"],
            "updated_at": made["created_at"],
            "deleted_at": None,
        }
        assert api.get(f"/v1/customers/{made['id']}").json == made

    def test_a_customer_of_whom_nothing_is_known_can_be_made(self, api: Api) -> None:
        response = api.post("/v1/customers", {})

        assert response.status_code == 201
        assert response.json["kind"] == "person"
        assert response.json["status"] == "active"

    def test_a_new_customer_is_one_event_with_its_position(self, api: Api) -> None:
        response = api.post("/v1/customers", {"given_name": "Mei"})

        assert response.headers["Kehu-Position"]
        assert events(api.app) == ["customer.created"]

    def test_an_external_id_that_is_taken_is_409_with_its_holder(self, api: Api) -> None:
        holder = api.post("/v1/customers", {"external_ids": {"shop": "1"}}).json["id"]

        response = api.post("/v1/customers", {"external_ids": {"shop": "1", "erp": "9"}})

        assert response.status_code == 409
        assert problem(response)["code"] == "external_id_taken"
        assert problem(response)["existing_id"] == holder
        assert api.get("/v1/customers/by/erp/9").status_code == 404

    def test_the_external_id_of_a_deleted_customer_is_taken_too(self, api: Api) -> None:
        holder = customer(api, external_ids={"shop": "1"})["id"]
        api.delete(f"/v1/customers/{holder}")

        response = api.post("/v1/customers", {"external_ids": {"shop": "1"}})

        assert response.status_code == 409
        assert problem(response)["existing_id"] == holder

    def test_one_external_id_may_stand_for_different_customers_at_different_sources(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})

        response = api.post("/v1/customers", {"external_ids": {"erp": "1"}})

        assert response.status_code == 201

    def test_a_refused_create_leaves_nothing_behind(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})

        response = api.post("/v1/customers", {"external_ids": {"shop": "1", "erp": "9"}})

        assert response.status_code == 409
        assert "Kehu-Position" not in response.headers
        assert rows(api.app, "SELECT count(*) FROM customers")[0][0] == 1
        assert rows(api.app, "SELECT count(*) FROM customer_keys")[0][0] == 1
        assert events(api.app) == ["customer.created"]

    def test_an_unknown_field_is_422_with_the_nearest_name(self, api: Api) -> None:
        response = api.post("/v1/customers", {"given_nam": "Li"})

        assert pointers(response) == {"/given_nam": "unknown_field"}
        assert "`given_name`" in problem(response)["errors"][0]["detail"]

    @pytest.mark.parametrize("name", ["id", "version", "metrics", "created_at", "updated_at", "deleted_at"])
    def test_a_field_that_is_ours_is_422(self, api: Api, name: str) -> None:
        response = api.post("/v1/customers", {name: None})

        assert pointers(response) == {f"/{name}": "unknown_field"}

    def test_every_fault_is_told_at_once(self, api: Api) -> None:
        sent = {"kind": "dog", "email": "no", "addresses": [{"city": "X"}, {"cty": "Y"}], "tags": ["a", 1], "attributes": {"1x": 1}}

        response = api.post("/v1/customers", sent)

        assert pointers(response) == {
            "/kind": "not_a_choice",
            "/email": "invalid_email",
            "/addresses/1/cty": "unknown_field",
            "/tags/1": "wrong_type",
            "/attributes/1x": "invalid_name",
        }
