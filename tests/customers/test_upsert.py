"""Protects the call that an e-commerce sync is made of: PUT by the id of another system."""

from __future__ import annotations

import pytest

from tests.builders import EMPTY_METRICS, customer, events, whole_customer
from tests.client import Api, pointers, problem


class TestUpsert:
    def test_the_first_call_creates_and_says_where(self, api: Api) -> None:
        sent = whole_customer(external_ids={"shop": "1", "erp": "9"}, source="fair")

        response = api.put("/v1/customers/by/shop/1", sent)

        made = response.json
        assert response.status_code == 201
        assert response.headers["Location"] == f"/v1/customers/{made['id']}"
        assert response.headers["ETag"] == '"1.0"'
        assert response.headers["Kehu-Position"]
        assert made == sent | {
            "id": made["id"],
            "organization_id": None,
            "metrics": EMPTY_METRICS,
            "version": 1,
            "created_at": made["created_at"],
            "updated_at": made["created_at"],
            "deleted_at": None,
        }
        assert api.get(f"/v1/customers/{made['id']}").json == made
        assert events(api.app) == ["customer.created"]

    def test_the_second_call_merges(self, api: Api) -> None:
        made = api.put("/v1/customers/by/shop/1", {"given_name": "Mei", "owner": "anna"}).json

        response = api.put("/v1/customers/by/shop/1", {"owner": None, "given_name": "May"})

        assert response.status_code == 200
        assert "Location" not in response.headers
        assert response.headers["ETag"] == '"2.0"'
        assert response.json == made | {"given_name": "May", "owner": None, "version": 2, "updated_at": response.json["updated_at"]}
        assert events(api.app) == ["customer.created", "customer.updated"]

    def test_the_same_call_again_changes_nothing(self, api: Api) -> None:
        sent = whole_customer(external_ids={"shop": "1"})
        made = api.put("/v1/customers/by/shop/1", sent).json

        response = api.put("/v1/customers/by/shop/1", sent)

        assert response.status_code == 200
        assert response.json == made
        assert "Kehu-Position" not in response.headers
        assert events(api.app) == ["customer.created"]

    def test_an_empty_body_creates_a_customer_with_nothing_but_its_id(self, api: Api) -> None:
        response = api.put("/v1/customers/by/shop/1", {})

        assert response.status_code == 201
        assert response.json["external_ids"] == {"shop": "1"}

    def test_a_malformed_body_is_422_and_creates_nothing(self, api: Api) -> None:
        response = api.put("/v1/customers/by/shop/1", {"email": "nobody"})

        assert pointers(response) == {"/email": "invalid_email"}
        assert api.get("/v1/customers/by/shop/1").status_code == 404

    def test_a_further_external_id_of_another_is_409_and_creates_nothing(self, api: Api) -> None:
        holder = customer(api, external_ids={"erp": "9"})

        response = api.put("/v1/customers/by/shop/1", {"external_ids": {"erp": "9"}})

        assert response.status_code == 409
        assert problem(response)["existing_id"] == holder["id"]
        assert api.get("/v1/customers/by/shop/1").status_code == 404


class TestSource:
    def test_a_new_customer_was_first_heard_of_by_the_source_of_its_address(self, api: Api) -> None:
        assert api.put("/v1/customers/by/shop/1", {}).json["source"] == "shop"

    def test_a_source_in_the_body_goes_before_it(self, api: Api) -> None:
        assert api.put("/v1/customers/by/shop/1", {"source": "fair"}).json["source"] == "fair"

    def test_null_in_the_body_goes_before_it(self, api: Api) -> None:
        assert api.put("/v1/customers/by/shop/1", {"source": None}).json["source"] is None

    def test_a_later_sync_does_not_rewrite_it(self, api: Api) -> None:
        made = customer(api, source="fair", external_ids={"shop": "1"})

        assert api.put("/v1/customers/by/shop/1", {}).json == made


class TestMode:
    def test_create_makes_what_is_not_there(self, api: Api) -> None:
        assert api.put("/v1/customers/by/shop/1?mode=create", {}).status_code == 201

    def test_create_is_409_where_it_is_there(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1?mode=create", {"owner": "anna"})

        assert response.status_code == 409
        assert problem(response)["code"] == "external_id_taken"
        assert problem(response)["existing_id"] == made["id"]
        assert api.get("/v1/customers/by/shop/1").json == made

    def test_update_changes_what_is_there(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1?mode=update", {"owner": "anna"})

        assert response.status_code == 200
        assert response.json["owner"] == "anna"

    def test_update_is_404_where_it_is_not_there(self, api: Api) -> None:
        response = api.put("/v1/customers/by/shop/1?mode=update", {"owner": "anna"})

        assert response.status_code == 404
        assert api.get("/v1/customers/by/shop/1").status_code == 404

    @pytest.mark.parametrize("mode", ["upset", "", "CREATE"])
    def test_another_mode_is_422(self, api: Api, mode: str) -> None:
        response = api.put(f"/v1/customers/by/shop/1?mode={mode}", {})

        assert pointers(response) == {"query.mode": "not_a_choice"}


class TestStale:
    def test_what_is_older_than_the_stored_changes_nothing_and_says_so(self, api: Api) -> None:
        made = api.put("/v1/customers/by/shop/1", {"owner": "anna", "source_updated_at": "2024-05-01T08:00:00Z"}).json

        response = api.put("/v1/customers/by/shop/1", {"owner": "otto", "source_updated_at": "2024-05-01T07:59:59.999999Z"})

        assert response.status_code == 200
        assert response.headers["Kehu-Stale"] == "true"
        assert "Kehu-Position" not in response.headers
        assert response.json == made
        assert events(api.app) == ["customer.created"]

    @pytest.mark.parametrize("time", ["2024-05-01T08:00:00Z", "2024-05-01T08:00:00.000001Z", None])
    def test_what_is_not_older_is_written(self, api: Api, time: str | None) -> None:
        api.put("/v1/customers/by/shop/1", {"owner": "anna", "source_updated_at": "2024-05-01T08:00:00Z"})

        response = api.put("/v1/customers/by/shop/1", {"owner": "otto", "source_updated_at": time})

        assert "Kehu-Stale" not in response.headers
        assert response.json["owner"] == "otto"
        assert response.json["source_updated_at"] == time

    def test_times_are_compared_as_moments(self, api: Api) -> None:
        api.put("/v1/customers/by/shop/1", {"source_updated_at": "2024-05-01T08:00:00Z"})

        response = api.put("/v1/customers/by/shop/1", {"source_updated_at": "2024-05-01T09:30:00+02:00"})

        assert response.headers["Kehu-Stale"] == "true"

    def test_a_sync_without_a_time_is_written_and_keeps_the_stored_time(self, api: Api) -> None:
        api.put("/v1/customers/by/shop/1", {"source_updated_at": "2024-05-01T08:00:00Z"})

        response = api.put("/v1/customers/by/shop/1", {"owner": "otto"})

        assert response.json["owner"] == "otto"
        assert response.json["source_updated_at"] == "2024-05-01T08:00:00Z"

    def test_a_patch_by_hand_may_set_an_older_time(self, api: Api) -> None:
        made = api.put("/v1/customers/by/shop/1", {"source_updated_at": "2024-05-01T08:00:00Z"}).json

        response = api.patch(f"/v1/customers/{made['id']}", {"source_updated_at": "2023-01-01T00:00:00Z"})

        assert response.json["source_updated_at"] == "2023-01-01T00:00:00Z"


class TestConditions:
    @pytest.mark.parametrize("tag", ['"1.0"', '"1"', '"1.7"', 'W/"1.0"', '"1.0", "2.0"', "*"])
    def test_a_put_for_the_stored_version_is_made(self, api: Api, tag: str) -> None:
        customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1", {"owner": "anna"}, headers={"If-Match": tag})

        assert response.status_code == 200
        assert response.json["owner"] == "anna"

    @pytest.mark.parametrize("tag", ['"2.0"', 'W/"3"', '"x"', "x"])
    def test_a_put_for_another_version_is_412(self, api: Api, tag: str) -> None:
        made = customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1", {"owner": "anna"}, headers={"If-Match": tag})

        assert response.status_code == 412
        assert api.get("/v1/customers/by/shop/1").json == made

    @pytest.mark.parametrize("tag", ['"1.0"', "*"])
    def test_a_put_for_a_version_of_what_is_not_there_is_412(self, api: Api, tag: str) -> None:
        response = api.put("/v1/customers/by/shop/1", {}, headers={"If-Match": tag})

        assert response.status_code == 412
        assert api.get("/v1/customers/by/shop/1").status_code == 404

    def test_if_none_match_star_creates(self, api: Api) -> None:
        assert api.put("/v1/customers/by/shop/1", {}, headers={"If-None-Match": "*"}).status_code == 201

    def test_if_none_match_star_is_412_where_it_is_there(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1", {"owner": "anna"}, headers={"If-None-Match": "*"})

        assert response.status_code == 412
        assert api.get("/v1/customers/by/shop/1").json == made

    def test_the_version_is_asked_before_the_mode(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1?mode=create", {}, headers={"If-Match": '"9.0"'})

        assert response.status_code == 412
