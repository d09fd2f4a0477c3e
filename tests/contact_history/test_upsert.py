"""Protects the sync of orders, tickets and calls: PUT by the id of another system, repeatable, for customers named in either way."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.builders import EMPTY_METRICS, customer, entry, events, metrics, rows, whole_entry
from tests.client import Api, pointers, problem

NOBODY = "01890000-0000-7000-8000-000000000000"
PATH = "/v1/contact-history/by/shop/1"


@pytest.fixture
def owner(api: Api) -> str:
    return str(customer(api, external_ids={"crm": "7"})["id"])


class TestUpsert:
    def test_the_first_call_creates_and_says_where(self, api: Api, owner: str) -> None:
        sent = whole_entry(source="shop", external_id="1")

        response = api.put(PATH, sent | {"customer_id": owner})

        made = response.json
        assert response.status_code == 201
        assert response.headers["Location"] == f"/v1/contact-history/{made['id']}"
        assert response.headers["ETag"] == '"1"'
        assert response.headers["Kehu-Position"]
        assert made == sent | {
            "id": made["id"],
            "customer_id": owner,
            "version": 1,
            "created_at": made["created_at"],
            "updated_at": made["created_at"],
            "deleted_at": None,
        }
        assert api.get(PATH).json == made

    def test_the_second_call_merges(self, api: Api, owner: str) -> None:
        made = api.put(PATH, {"kind": "order", "customer_id": owner, "amount": "1", "currency": "EUR", "outcome": "new"}).json

        response = api.put(PATH, {"amount": "2", "outcome": None})

        assert response.status_code == 200
        assert "Location" not in response.headers
        assert response.json == made | {"amount": "2.00", "outcome": None, "version": 2, "updated_at": response.json["updated_at"]}
        assert metrics(api, owner)["order_total"] == {"EUR": "2.00"}

    def test_syncing_twice_never_doubles(self, api: Api, owner: str) -> None:
        sent = whole_entry(source="shop", external_id="1", customer={"source": "crm", "external_id": "7"})
        made = api.put(PATH, sent).json
        before = events(api.app)

        again = api.put(PATH, sent)

        assert (again.status_code, again.json) == (200, made)
        assert "Kehu-Position" not in again.headers
        assert events(api.app) == before
        assert metrics(api, owner)["contact_count"] == 1

    def test_any_text_is_an_id(self, api: Api, owner: str) -> None:
        for external_id in ("gid://shopify/Order/1", "a b", "订单-1", "..", "1?x=1", "x" * 255):
            address = f"/v1/contact-history/by/shop/{quote(external_id, safe='')}"
            made = api.put(address, {"kind": "order", "customer_id": owner}).json
            assert (made["source"], made["external_id"]) == ("shop", external_id)
            assert api.get(address).json == made

    def test_the_same_id_of_another_source_is_another(self, api: Api, owner: str) -> None:
        first = api.put(PATH, {"kind": "order", "customer_id": owner}).json

        assert api.put("/v1/contact-history/by/erp/1", {"kind": "order", "customer_id": owner}).json["id"] != first["id"]

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, {"/kind": "required"}),
            ({"kind": "order"}, {"/customer_id": "required"}),
            ({"kind": "order", "customer_id": NOBODY}, {"/customer_id": "customer_unknown"}),
            ({"kind": "order", "customer": {"source": "crm", "external_id": "8"}}, {"/customer": "customer_unknown"}),
            ({"kind": "order", "external_id": "2"}, {"/external_id": "external_id_differs"}),
            ({"kind": "order", "external_id": None}, {"/external_id": "external_id_differs"}),
            ({"kind": "order", "source": "erp"}, {"/source": "external_id_differs"}),
            ({"kind": "order", "amount": "x"}, {"/amount": "invalid_amount"}),
        ],
    )
    def test_what_cannot_be_made_is_422_and_nothing_is_written(
        self, api: Api, owner: str, body: dict[str, Any], expected: dict[str, str]
    ) -> None:
        assert pointers(api.put(PATH, body)) == expected
        assert api.get(PATH).status_code == 404
        assert events(api.app) == ["customer.created"]

    @pytest.mark.parametrize(("path", "pointer"), [("by/Shop/1", "path.source"), ("by/shop/%20", "path.external_id")])
    def test_a_key_that_can_be_none_is_422(self, api: Api, path: str, pointer: str) -> None:
        for response in (
            api.get(f"/v1/contact-history/{path}"),
            api.put(f"/v1/contact-history/{path}", {}),
            api.delete(f"/v1/contact-history/{path}"),
        ):
            assert list(pointers(response)) == [pointer]

    def test_naming_another_customer_moves_it(self, api: Api, owner: str) -> None:
        other = customer(api, external_ids={"crm": "8"})["id"]
        made = api.put(PATH, {"kind": "call", "customer_id": owner}).json

        moved = api.put(PATH, {"customer": {"source": "crm", "external_id": "8"}})

        assert (moved.status_code, moved.json["id"], moved.json["customer_id"]) == (200, made["id"], other)
        assert (metrics(api, owner)["contact_count"], metrics(api, other)["contact_count"]) == (0, 1)

    def test_without_a_token_it_is_401_and_without_the_scope_403(self, api: Api, owner: str) -> None:
        assert api.anonymous().put(PATH, {}).status_code == 401
        assert problem(api.with_scopes("history:read").put(PATH, {}))["scope"] == "history:write"


class TestMode:
    def test_create_is_409_where_it_is_there(self, api: Api, owner: str) -> None:
        made = api.put(f"{PATH}?mode=create", {"kind": "call", "customer_id": owner}).json

        response = api.put(f"{PATH}?mode=create", {"kind": "email", "customer_id": owner})

        assert (response.status_code, problem(response)["code"], problem(response)["existing_id"]) == (409, "external_id_taken", made["id"])
        assert api.get(PATH).json == made

    def test_update_is_404_where_it_is_not_there(self, api: Api, owner: str) -> None:
        assert api.put(f"{PATH}?mode=update", {"kind": "call", "customer_id": owner}).status_code == 404


class TestCreateMissing:
    BODY = {"kind": "order", "customer": {"source": "crm", "external_id": "new"}}

    def test_a_customer_that_nobody_knows_is_made_with_its_id(self, api: Api) -> None:
        made = api.put(f"{PATH}?create_missing=true", self.BODY)

        found = api.get("/v1/customers/by/crm/new").json
        assert made.status_code == 201
        assert made.json["customer_id"] == found["id"]
        assert (found["external_ids"], found["source"], found["metrics"]["order_count"]) == ({"crm": "new"}, "crm", 1)
        assert events(api.app) == ["customer.created", "contact_history.created", "customer.metrics_changed"]

    def test_one_that_is_known_is_not_made_again(self, api: Api) -> None:
        known = customer(api, external_ids={"crm": "new"})["id"]

        assert api.put(f"{PATH}?create_missing=true", self.BODY).json["customer_id"] == known

    def test_an_interaction_may_move_to_one_that_is_made(self, api: Api, owner: str) -> None:
        api.put(PATH, {"kind": "order", "customer_id": owner})

        moved = api.put(f"{PATH}?create_missing=true", self.BODY).json

        assert api.get("/v1/customers/by/crm/new").json["id"] == moved["customer_id"]
        assert metrics(api, owner) == EMPTY_METRICS

    def test_an_unknown_id_of_ours_is_422_all_the_same(self, api: Api) -> None:
        response = api.put(f"{PATH}?create_missing=true", {"kind": "order", "customer_id": NOBODY})

        assert pointers(response) == {"/customer_id": "customer_unknown"}

    def test_what_is_refused_makes_no_customer(self, api: Api) -> None:
        assert api.put(f"{PATH}?create_missing=true", self.BODY | {"amount": "1"}).status_code == 422
        assert events(api.app) == []

    def test_it_needs_the_scope_to_write_customers(self, api: Api) -> None:
        response = api.with_scopes("history:write").put(f"{PATH}?create_missing=true", self.BODY)

        assert (response.status_code, problem(response)["scope"]) == (403, "customers:write")
        assert events(api.app) == []

    @pytest.mark.parametrize("value", ["", "1", "yes"])
    def test_another_value_is_422(self, api: Api, value: str) -> None:
        assert list(pointers(api.put(f"{PATH}?create_missing={value}", self.BODY))) == ["query.create_missing"]


class TestConditions:
    @pytest.mark.parametrize(("headers", "status"), [({"If-Match": '"1"'}, 200), ({"If-Match": '"2"'}, 412), ({"If-None-Match": "*"}, 412)])
    def test_of_what_is_there(self, api: Api, owner: str, headers: dict[str, str], status: int) -> None:
        api.put(PATH, {"kind": "call", "customer_id": owner})

        assert api.put(PATH, {"subject": "x"}, headers=headers).status_code == status

    @pytest.mark.parametrize(("headers", "status"), [({"If-Match": "*"}, 412), ({"If-None-Match": "*"}, 201)])
    def test_of_what_is_not_there(self, api: Api, owner: str, headers: dict[str, str], status: int) -> None:
        assert api.put(PATH, {"kind": "call", "customer_id": owner}, headers=headers).status_code == status


class TestWithdrawn:
    def test_it_is_410_unless_it_is_to_come_back(self, api: Api, owner: str) -> None:
        made = api.put(PATH, {"kind": "call", "customer_id": owner}).json
        api.delete(f"/v1/contact-history/{made['id']}")

        refused = api.put(PATH, {"subject": "x"})
        restored = api.put(f"{PATH}?deleted=restore", {"subject": "x"})

        assert (refused.status_code, problem(refused)["code"], problem(refused)["existing_id"]) == (
            410,
            "contact_history_deleted",
            made["id"],
        )
        assert (restored.status_code, restored.json["id"], restored.json["deleted_at"]) == (200, made["id"], None)
        assert metrics(api, owner)["contact_count"] == 1


class TestDetach:
    def test_the_interaction_stays_and_the_id_is_free(self, api: Api, owner: str) -> None:
        made = api.put(PATH, {"kind": "call", "customer_id": owner}).json

        response = api.delete(PATH)

        kept = api.get(f"/v1/contact-history/{made['id']}").json
        assert response.status_code == 204
        assert kept == made | {"external_id": None, "version": 2, "updated_at": kept["updated_at"]}
        assert api.get(PATH).status_code == 404
        assert api.put(PATH, {"kind": "call", "customer_id": owner}).json["id"] != made["id"]

    def test_what_is_not_there_is_404(self, api: Api) -> None:
        assert api.delete(PATH).status_code == 404

    def test_another_version_is_412(self, api: Api, owner: str) -> None:
        api.put(PATH, {"kind": "call", "customer_id": owner})

        assert api.delete(PATH, headers={"If-Match": '"2"'}).status_code == 412
        assert api.get(PATH).status_code == 200


class TestKeys:
    def test_an_id_may_be_attached_exchanged_and_taken_by_one_only(self, api: Api, owner: str) -> None:
        made, other = entry(api, owner), entry(api, owner, source="shop", external_id="taken")
        path = f"/v1/contact-history/{made['id']}"

        attached = api.patch(path, {"source": "shop", "external_id": "1"})
        exchanged = api.patch(path, {"external_id": "2"})
        taken = api.patch(path, {"external_id": "taken", "subject": "x"})

        assert (attached.status_code, exchanged.status_code, taken.status_code) == (200, 200, 409)
        assert problem(taken)["existing_id"] == other["id"]
        assert api.get(path).json == exchanged.json
        keys = rows(api.app, "SELECT external_id, entry_id::text, customer_id::text FROM contact_history_keys ORDER BY external_id")
        assert [tuple(row) for row in keys] == [("2", made["id"], owner), ("taken", other["id"], owner)]
