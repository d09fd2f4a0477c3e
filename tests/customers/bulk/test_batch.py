"""Protects batches: each item has the result that it would have alone, in order, and a bad one spoils nobody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import customer, events, rows
from tests.client import Api, pointers, problem
from tests.customers.bulk.calls import batch, codes, everything, statuses

NOBODY = "01890000-0000-7000-8000-000000000000"


def upsert(external_id: str, **data: Any) -> dict[str, Any]:
    return {"op": "upsert", "source": "shop", "external_id": external_id, "data": data}


class TestBatch:
    def test_every_op_has_its_result_in_order(self, api: Api) -> None:
        known = customer(api, external_ids={"shop": "1"})
        other = customer(api, given_name="Old")

        results = batch(
            api,
            upsert("1", owner="anna"),
            {**upsert("2", given_name="Li"), "client_ref": "row 2"},
            {"op": "create", "data": {"given_name": "Wei"}},
            {"op": "create", "source": "shop", "external_id": "3"},
            {"op": "update", "id": other["id"], "data": {"given_name": "New"}},
            {"op": "update", "id": other["id"], "data": {"given_name": "New"}},
            {"op": "delete", "id": known["id"]},
            {"op": "delete", "id": known["id"]},
        )

        new = [results[index]["id"] for index in (1, 2, 3)]
        assert results == [
            {"index": 0, "client_ref": None, "status": 200, "outcome": "updated", "id": known["id"], "version": 2},
            {"index": 1, "client_ref": "row 2", "status": 201, "outcome": "created", "id": new[0], "version": 1},
            {"index": 2, "client_ref": None, "status": 201, "outcome": "created", "id": new[1], "version": 1},
            {"index": 3, "client_ref": None, "status": 201, "outcome": "created", "id": new[2], "version": 1},
            {"index": 4, "client_ref": None, "status": 200, "outcome": "updated", "id": other["id"], "version": 2},
            {"index": 5, "client_ref": None, "status": 200, "outcome": "unchanged", "id": other["id"], "version": 2},
            {"index": 6, "client_ref": None, "status": 204, "outcome": "deleted", "id": known["id"], "version": 3},
            {"index": 7, "client_ref": None, "status": 204, "outcome": "unchanged", "id": known["id"], "version": 3},
        ]
        assert [api.get(f"/v1/customers/{customer_id}").json["given_name"] for customer_id in new] == ["Li", "Wei", None]
        assert api.get(f"/v1/customers/{known['id']}").status_code == 410

    def test_what_is_new_may_be_changed_long_after(self, api: Api) -> None:
        """By then it is sent to the database already."""
        others = [upsert(f"other-{number}") for number in range(300)]
        changes = [
            upsert("1", owner="anna"),
            {"op": "delete", "source": "shop", "external_id": "2"},
            upsert("3", external_ids={"erp": "3"}),
        ]

        results = batch(api, upsert("1"), upsert("2"), upsert("3"), upsert("4"), *others, *changes, upsert("1", owner="anna"))

        assert statuses(results) == [201] * 304 + [200, 204, 200, 200]
        found = rows(api.app, "SELECT owner, version, deleted_at IS NULL AS lives, external_ids FROM customers ORDER BY created_at, id")
        assert [tuple(row) for row in found[:4]] == [
            ("anna", 2, True, {"shop": "1"}),
            (None, 2, False, {"shop": "2"}),
            (None, 2, True, {"shop": "3", "erp": "3"}),
            (None, 1, True, {"shop": "4"}),
        ]
        assert events(api.app) == ["customer.created"] * 304 + ["customer.updated", "customer.deleted", "customer.updated"]

    def test_the_position_is_behind_all_of_it(self, api: Api) -> None:
        body = {"items": [upsert("1"), upsert("2"), upsert("1", owner="anna")]}

        response = api.post("/v1/customers/batch", body)

        assert api.get("/v1/changes", query_string={"after": response.headers["Kehu-Position"]}).json["data"] == []
        assert events(api.app) == ["customer.created", "customer.created", "customer.updated"]

    def test_what_changes_nothing_writes_nothing(self, api: Api) -> None:
        batch(api, upsert("1", owner="anna"))
        before = everything(api.app)

        response = api.post("/v1/customers/batch", {"items": [upsert("1", owner="anna")]})

        assert "Kehu-Position" not in response.headers
        assert everything(api.app) == before

    def test_a_thousand(self, api: Api) -> None:
        results = batch(api, *(upsert(str(number), given_name=f"{number}") for number in range(1000)))

        assert set(statuses(results)) == {201}
        assert len(events(api.app)) == 1000
        assert api.get("/v1/customers/by/shop/999").json["given_name"] == "999"

    @pytest.mark.parametrize("count", [0, 1001])
    def test_none_and_more_than_a_thousand_are_422(self, api: Api, count: int) -> None:
        response = api.post("/v1/customers/batch", {"items": [{"op": "create"}] * count})

        assert pointers(response) == {"/items": "wrong_count"}
        assert events(api.app) == []

    @pytest.mark.parametrize("body", [{"items": {}}, {"items": None}, {}, {"items": [{"op": "create"}], "itmes": []}])
    def test_a_malformed_envelope_is_422(self, api: Api, body: Any) -> None:
        assert api.post("/v1/customers/batch", body).status_code == 422


class TestOrder:
    def test_a_later_item_sees_an_earlier_one(self, api: Api) -> None:
        item = {"op": "delete", "source": "shop", "external_id": "1"}

        results = batch(api, upsert("1", owner="a"), upsert("1", owner="b"), item, upsert("1", owner="c"), upsert("1"), deleted="restore")

        assert statuses(results) == [201, 200, 204, 200, 200]
        assert [result["version"] for result in results] == [1, 2, 3, 4, 4]
        assert len({result["id"] for result in results}) == 1
        made = api.get("/v1/customers/by/shop/1").json
        assert (made["owner"], made["version"], made["deleted_at"]) == ("c", 4, None)
        told = api.get("/v1/changes", query_string={"subject": f"customers/{made['id']}"}).json["data"]
        assert [event["type"] for event in told] == ["customer.created", "customer.updated", "customer.deleted", "customer.restored"]
        assert [event["data"]["after"]["version"] for event in told] == [1, 2, 3, 4]
        assert [event["data"]["before"] and event["data"]["before"].get("owner") for event in told] == [None, "a", None, "b"]

    def test_who_was_deleted_before_is_410(self, api: Api) -> None:
        results = batch(api, upsert("1"), {"op": "delete", "source": "shop", "external_id": "1"}, upsert("1"))

        assert statuses(results) == [201, 204, 410]
        assert codes(results)[2] == "customer_deleted"
        assert results[2]["id"] == results[0]["id"]

    def test_an_id_that_is_let_go_may_be_taken(self, api: Api) -> None:
        first = customer(api, external_ids={"erp": "9"})
        second = customer(api)

        results = batch(
            api,
            {"op": "update", "id": second["id"], "data": {"external_ids": {"erp": "9"}}},
            {"op": "update", "id": first["id"], "data": {"external_ids": {"erp": None}}},
            {"op": "update", "id": second["id"], "data": {"external_ids": {"erp": "9"}}},
            {"op": "upsert", "source": "erp", "external_id": "9", "data": {"owner": "anna"}},
        )

        assert statuses(results) == [409, 200, 200, 200]
        assert results[0]["problem"]["existing_id"] == first["id"]
        assert results[3]["id"] == second["id"]
        assert api.get("/v1/customers/by/erp/9").json["id"] == second["id"]

    def test_two_may_swap_ids(self, api: Api) -> None:
        one, two = customer(api, external_ids={"erp": "1"}), customer(api, external_ids={"erp": "2"})

        results = batch(
            api,
            {"op": "update", "id": one["id"], "data": {"external_ids": {"erp": None}}},
            {"op": "update", "id": two["id"], "data": {"external_ids": {"erp": "1"}}},
            {"op": "update", "id": one["id"], "data": {"external_ids": {"erp": "2"}}},
        )

        assert statuses(results) == [200, 200, 200]
        assert api.get("/v1/customers/by/erp/1").json["id"] == two["id"]
        assert api.get("/v1/customers/by/erp/2").json["id"] == one["id"]

    def test_an_id_taken_and_let_go_in_between_leaves_no_trace(self, api: Api) -> None:
        made = customer(api)

        batch(
            api,
            {"op": "update", "id": made["id"], "data": {"external_ids": {"erp": "1"}}},
            {"op": "update", "id": made["id"], "data": {"external_ids": {"erp": None}}},
        )

        assert rows(api.app, "SELECT * FROM customer_keys") == []
        assert events(api.app) == ["customer.created", "customer.updated", "customer.updated"]

    def test_an_item_matches_who_came_before_it(self, api: Api) -> None:
        results = batch(
            api,
            {"op": "create", "data": {"email": "mei@shop.example"}},
            {**upsert("1", email="MEI@shop.example"), "match": "email"},
            {**upsert("2", email="mei@shop.example"), "match": "email"},
            {"op": "update", "source": "erp", "external_id": "1", "data": {"email": "mei@shop.example"}, "match": "email"},
        )

        # The second has an id of the shop by then; the last one finds both.
        assert statuses(results) == [201, 200, 201, 409]
        assert results[1]["id"] == results[0]["id"]
        found = {candidate["customer_id"] for candidate in results[3]["problem"]["candidates"]}
        assert found == {results[0]["id"], results[2]["id"]}

    def test_who_changes_an_email_is_not_found_by_the_old_one(self, api: Api) -> None:
        known = customer(api, email="old@shop.example")

        results = batch(
            api,
            {"op": "update", "id": known["id"], "data": {"email": "new@shop.example"}},
            {**upsert("1", email="old@shop.example"), "match": "email"},
            {**upsert("2", email="new@shop.example"), "match": "email"},
        )

        assert statuses(results) == [200, 201, 200]
        assert results[2]["id"] == known["id"]

    def test_an_organization_made_before_is_there_and_one_deleted_is_not(self, api: Api) -> None:
        firm = customer(api, kind="organization")

        results = batch(
            api,
            {"op": "create", "data": {"organization_id": firm["id"]}},
            {"op": "delete", "id": firm["id"]},
            {"op": "create", "data": {"organization_id": firm["id"]}},
        )

        assert statuses(results) == [201, 204, 422]
        assert [fault["code"] for fault in results[2]["problem"]["errors"]] == ["organization_unknown"]


# What is wrong with an item, the status and code that it has for it, and at which pointers.
BAD: dict[str, tuple[Any, int, str, dict[str, str]]] = {
    "no object": (7, 422, "invalid", {"": "wrong_type"}),
    "null": (None, 422, "invalid", {"": "wrong_type"}),
    "no op": ({}, 422, "invalid", {"/op": "required"}),
    "unknown op": ({"op": "merge"}, 422, "invalid", {"/op": "not_a_choice"}),
    "unknown field": ({"op": "create", "date": {}}, 422, "invalid", {"/date": "unknown_field"}),
    "unknown field of the customer": ({"op": "create", "data": {"nmae": "x"}}, 422, "invalid", {"/data/nmae": "unknown_field"}),
    "read-only field": ({"op": "create", "data": {"version": 7}}, 422, "invalid", {"/data/version": "unknown_field"}),
    "bad e-mail": ({"op": "create", "data": {"email": "x"}}, 422, "invalid", {"/data/email": "invalid_email"}),
    "NUL": ({"op": "create", "data": {"owner": "a\u0000"}}, 422, "invalid", {"/data/owner": "control_character"}),
    "bad phone": ({"op": "create", "data": {"phone": "138 1234 5678"}}, 422, "invalid", {"/data/phone": "phone_region_unknown"}),
    "no address": ({"op": "upsert"}, 422, "invalid", {"": "required"}),
    "half an address": ({"op": "upsert", "source": "shop"}, 422, "invalid", {"/external_id": "required"}),
    "two addresses": (
        {"op": "update", "id": NOBODY, "source": "shop", "external_id": "1"},
        422,
        "invalid",
        {"/id": "not_allowed"},
    ),
    "an id of one to be made": ({"op": "create", "id": NOBODY}, 422, "invalid", {"/id": "not_allowed"}),
    "data to delete": ({"op": "delete", "id": NOBODY, "data": {"owner": "x"}}, 422, "invalid", {"/data": "not_allowed"}),
    "a key that differs": (
        {**upsert("2"), "data": {"external_ids": {"shop": "3"}}},
        422,
        "invalid",
        {"/data/external_ids/shop": "external_id_differs"},
    ),
    "nobody": ({"op": "update", "id": NOBODY, "data": {}}, 404, "not_found", {}),
    "nobody by key": ({"op": "update", "source": "shop", "external_id": "7"}, 404, "not_found", {}),
    "nobody to delete": ({"op": "delete", "source": "shop", "external_id": "7"}, 404, "not_found", {}),
    "a key that is taken": ({"op": "create", "source": "shop", "external_id": "taken"}, 409, "external_id_taken", {}),
    "another key that is taken": ({"op": "create", "data": {"external_ids": {"shop": "taken"}}}, 409, "external_id_taken", {}),
    "a version that is not": ({**upsert("taken", owner="x"), "if_version": 9}, 412, "version_mismatch", {}),
    "a version of nobody": ({**upsert("7", owner="x"), "if_version": 1}, 412, "version_mismatch", {}),
    "a version of one to be made": ({"op": "create", "if_version": 1}, 412, "version_mismatch", {}),
    "deleted": ({**upsert("gone", owner="x")}, 410, "customer_deleted", {}),
}


@pytest.mark.parametrize("case", BAD)
class TestBadItem:
    def test_it_spoils_nobody(self, api: Api, case: str) -> None:
        item, status, code, faults = BAD[case]
        customer(api, external_ids={"shop": "taken"})
        gone = customer(api, external_ids={"shop": "gone"})
        api.delete(f"/v1/customers/{gone['id']}")

        results = batch(api, upsert("before"), item, upsert("after"), upsert("before", owner="anna"))

        assert statuses(results) == [201, status, 201, 200]
        assert results[1]["outcome"] == "failed"
        document = results[1]["problem"]
        assert (document["status"], document["code"], document["type"]) == (status, code, f"urn:kehu:problem:{code}")
        assert {fault["pointer"]: fault["code"] for fault in document.get("errors", [])} == faults
        assert api.get("/v1/customers/by/shop/before").json["owner"] == "anna"

    def test_atomic_it_spoils_all_and_is_named_in_the_body(self, api: Api, case: str) -> None:
        item, status, _, faults = BAD[case]
        customer(api, external_ids={"shop": "taken"})
        gone = customer(api, external_ids={"shop": "gone"})
        api.delete(f"/v1/customers/{gone['id']}")
        before = everything(api.app)

        body = {"items": [upsert("before"), item, upsert("after")]}
        response = api.post("/v1/customers/batch?atomic=true", body, headers={"Idempotency-Key": "k"})

        assert response.status_code == (422 if status == 422 else 409)
        assert everything(api.app) == before
        document = problem(response)
        if status == 422:
            found = {fault["pointer"] for fault in document["errors"]}
            assert found == {f"/items/1{pointer}" for pointer in faults}
