"""Protects matching by e-mail and phone: decided the same on every path in, and never a guess between two people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import customer, events
from tests.client import Api, pointers, problem
from tests.customers.bulk.calls import batch, count_of, everything, load

PATHS = ["put", "batch", "import"]


def sync(api: Api, path: str, data: dict[str, Any], *, match: str = "email,phone", external_id: str = "1") -> tuple[int, dict[str, Any]]:
    """Status, and the customer's id and version or the problem, of an upsert of shop:<external_id>."""
    if path == "put":
        response = api.put(f"/v1/customers/by/shop/{external_id}", data, query_string={"match": match})
        return response.status_code, dict(response.json)
    if path == "batch":
        item = {"op": "upsert", "source": "shop", "external_id": external_id, "match": match, "data": data}
        result = batch(api, item)[0]
    else:
        result = load(api, {"external_id": external_id, **data}, match=match).results[0]
    return result["status"], result.get("problem") or result


def candidates(document: dict[str, Any]) -> dict[str, list[str]]:
    return {candidate["customer_id"]: candidate["matched_on"] for candidate in document["candidates"]}


@pytest.mark.parametrize("path", PATHS)
class TestAttach:
    @pytest.mark.parametrize("email", ["Mei@Shop.example", "mei@shop.example", "MEI@SHOP.EXAMPLE"])
    def test_by_an_email_without_case(self, api: Api, path: str, email: str) -> None:
        known = customer(api, email="mei@shop.example")

        status, told = sync(api, path, {"email": email, "owner": "anna"})

        now = api.get("/v1/customers/by/shop/1").json
        assert (status, told["id"], told["version"]) == (200, known["id"], 2)
        assert now == known | {
            "email": now["email"],
            "owner": "anna",
            "external_ids": {"shop": "1"},
            "version": 2,
            "updated_at": now["updated_at"],
        }
        assert events(api.app) == ["customer.created", "customer.updated"]

    @pytest.mark.parametrize("phone", ["138 1234 5678", "+86 138-1234-5678", "0086 138 1234 5678", "\u202a+86 138 1234 5678\u202c"])
    def test_by_a_phone_in_any_spelling(self, api: Api, path: str, phone: str) -> None:
        known = customer(api, phone="+8613812345678")

        status, told = sync(api, path, {"phone": phone, "country": "CN"})

        assert (status, told["id"]) == (200, known["id"])
        assert api.get("/v1/customers/by/shop/1").json["phone"] == "+8613812345678"

    def test_a_phone_that_is_none_is_422_and_writes_nothing(self, api: Api, path: str) -> None:
        before = everything(api.app)

        status, told = sync(api, path, {"phone": "138 1234 5678"})

        assert (status, told["errors"][0]["pointer"].removeprefix("/data")) == (422, "/phone")
        assert everything(api.app) == before

    def test_where_both_point_at_one(self, api: Api, path: str) -> None:
        known = customer(api, email="mei@shop.example", phone="+8613812345678")

        status, told = sync(api, path, {"email": "mei@shop.example", "phone": "+8613812345678"})

        assert (status, told["id"]) == (200, known["id"])

    def test_only_by_what_is_named(self, api: Api, path: str) -> None:
        customer(api, email="mei@shop.example")

        status, _ = sync(api, path, {"email": "mei@shop.example", "phone": "+8613812345678"}, match="phone")

        assert status == 201
        assert count_of(api.app) == 2

    def test_nobody_is_found_by_nothing(self, api: Api, path: str) -> None:
        customer(api, email=None, phone=None)

        status, _ = sync(api, path, {"email": None, "given_name": "Mei"})

        assert status == 201

    def test_alternate_addresses_are_no_identifiers(self, api: Api, path: str) -> None:
        customer(api, alternate_emails=["mei@shop.example"], alternate_phones=["+8613812345678"])

        status, _ = sync(api, path, {"email": "mei@shop.example", "phone": "+8613812345678"})

        assert status == 201

    def test_who_has_an_id_of_the_source_is_somebody_else(self, api: Api, path: str) -> None:
        customer(api, email="mei@shop.example", external_ids={"shop": "9"})

        status, _ = sync(api, path, {"email": "mei@shop.example"})

        assert status == 201
        assert count_of(api.app) == 2

    def test_an_id_of_another_source_is_no_hindrance(self, api: Api, path: str) -> None:
        known = customer(api, email="mei@shop.example", external_ids={"erp": "9"})

        _, told = sync(api, path, {"email": "mei@shop.example"})

        assert told["id"] == known["id"]
        assert api.get("/v1/customers/by/shop/1").json["external_ids"] == {"erp": "9", "shop": "1"}

    def test_the_deleted_are_nobody(self, api: Api, path: str) -> None:
        gone = customer(api, email="mei@shop.example")
        api.delete(f"/v1/customers/{gone['id']}")

        status, _ = sync(api, path, {"email": "mei@shop.example"})

        assert status == 201

    def test_who_has_the_key_goes_before_who_has_the_email(self, api: Api, path: str) -> None:
        customer(api, email="mei@shop.example")
        keyed = customer(api, external_ids={"shop": "1"})

        status, told = sync(api, path, {"email": "mei@shop.example"})

        assert (status, told["id"]) == (200, keyed["id"])

    def test_an_older_message_attaches_the_id_and_nothing_else(self, api: Api, path: str) -> None:
        known = customer(api, email="mei@shop.example", source_updated_at="2026-02-01T00:00:00Z")

        data = {"email": "MEI@shop.example", "owner": "old", "source_updated_at": "2026-01-01T00:00:00Z", "external_ids": {"erp": "7"}}
        status, told = sync(api, path, data)

        now = api.get("/v1/customers/by/shop/1").json
        assert (status, told["id"]) == (200, known["id"])
        assert now == known | {"external_ids": {"shop": "1"}, "version": 2, "updated_at": now["updated_at"]}


@pytest.mark.parametrize("path", PATHS)
class TestAmbiguous:
    def test_identifiers_of_two_customers_are_409_with_both(self, api: Api, path: str) -> None:
        by_email = customer(api, email="mei@shop.example")
        by_phone = customer(api, phone="+8613812345678")
        before = everything(api.app)

        status, told = sync(api, path, {"email": "mei@shop.example", "phone": "+8613812345678"})

        assert (status, told["code"]) == (409, "ambiguous_match")
        assert candidates(told) == {by_email["id"]: ["email"], by_phone["id"]: ["phone"]}
        assert everything(api.app) == before

    def test_a_family_that_shares_a_phone_is_409_with_all_of_it(self, api: Api, path: str) -> None:
        family = [customer(api, phone="+8613812345678", email=f"{name}@shop.example")["id"] for name in ("mei", "wei", "li")]
        before = everything(api.app)

        status, told = sync(api, path, {"phone": "138 1234 5678", "country": "CN", "email": "WEI@shop.example"}, match="email,phone")

        assert (status, told["code"]) == (409, "ambiguous_match")
        assert candidates(told) == {family[0]: ["phone"], family[1]: ["email", "phone"], family[2]: ["phone"]}
        # In the order in which the identifiers were named.
        assert told["candidates"][0]["customer_id"] == family[1]
        assert everything(api.app) == before

    def test_the_order_of_the_identifiers_is_that_of_the_call(self, api: Api, path: str) -> None:
        by_email = customer(api, email="mei@shop.example")
        by_phone = customer(api, phone="+8613812345678")

        _, told = sync(api, path, {"email": "mei@shop.example", "phone": "+8613812345678"}, match="phone,email")

        assert [candidate["customer_id"] for candidate in told["candidates"]] == [by_phone["id"], by_email["id"]]


def keyed(api: Api, path: str, mode: str, data: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if path == "put":
        response = api.put("/v1/customers/by/shop/1", data, query_string={"match": "email", "mode": mode})
        return response.status_code, dict(response.json)
    result = batch(api, {"op": mode, "source": "shop", "external_id": "1", "match": "email", "data": data})[0]
    return result["status"], result.get("problem") or result


@pytest.mark.parametrize("path", ["put", "batch"])
class TestModes:
    def test_create_is_409_where_somebody_matches(self, api: Api, path: str) -> None:
        known = customer(api, email="mei@shop.example")
        before = everything(api.app)

        status, told = keyed(api, path, "create", {"email": "mei@shop.example"})

        assert (status, told["code"]) == (409, "customer_exists")
        assert candidates(told) == {known["id"]: ["email"]}
        assert everything(api.app) == before

    def test_create_makes_one_where_nobody_does(self, api: Api, path: str) -> None:
        assert keyed(api, path, "create", {"email": "mei@shop.example"})[0] == 201

    def test_update_attaches(self, api: Api, path: str) -> None:
        known = customer(api, email="mei@shop.example")

        status, told = keyed(api, path, "update", {"email": "mei@shop.example"})

        assert (status, told["id"]) == (200, known["id"])

    def test_update_is_404_where_nobody_matches(self, api: Api, path: str) -> None:
        assert keyed(api, path, "update", {"email": "mei@shop.example"})[0] == 404
        assert count_of(api.app) == 0


def write_by_hand(api: Api, path: str, data: dict[str, Any], made: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
    """A new customer, or a change of `made`."""
    if path == "batch":
        item = {"op": "create"} if made is None else {"op": "update", "id": made["id"]}
        result = batch(api, {**item, "match": "email,phone", "data": data})[0]
        return result["status"], result.get("problem") or result
    call = api.post if made is None else api.patch
    response = call("/v1/customers" if made is None else f"/v1/customers/{made['id']}", data, query_string={"match": "email,phone"})
    return response.status_code, dict(response.json)


@pytest.mark.parametrize("path", ["alone", "batch"])
class TestRefuse:
    @pytest.mark.parametrize("is_change", [False, True])
    def test_an_email_or_phone_of_others_is_409_with_all_of_them(self, api: Api, path: str, is_change: bool) -> None:
        by_email = customer(api, email="mei@shop.example", external_ids={"shop": "1"})
        by_phone = customer(api, phone="+8613812345678")
        made = customer(api, country="CN") if is_change else None
        before = everything(api.app)

        data = {"email": "Mei@shop.example", "phone": "138 1234 5678"} | ({} if is_change else {"country": "CN"})
        status, told = write_by_hand(api, path, data, made)

        assert (status, told["code"]) == (409, "customer_exists")
        assert candidates(told) == {by_email["id"]: ["email"], by_phone["id"]: ["phone"]}
        assert everything(api.app) == before

    def test_its_own_are_no_hindrance(self, api: Api, path: str) -> None:
        made = customer(api, email="mei@shop.example", phone="+8613812345678")

        status, _ = write_by_hand(api, path, {"email": "MEI@shop.example", "phone": "+86 138 1234 5678"}, made)

        assert status == 200

    def test_a_new_country_reads_the_phone(self, api: Api, path: str) -> None:
        customer(api, phone="+442079460958")
        made = customer(api, country="CN")

        status, told = write_by_hand(api, path, {"phone": "020 7946 0958", "country": "GB"}, made)

        assert (status, told["code"]) == (409, "customer_exists")

    def test_what_is_not_sent_is_not_compared(self, api: Api, path: str) -> None:
        customer(api, email="mei@shop.example")
        made = customer(api, email="mei@shop.example")

        status, _ = write_by_hand(api, path, {"owner": "anna"}, made)

        assert status == 200

    def test_the_deleted_are_nobody(self, api: Api, path: str) -> None:
        gone = customer(api, email="mei@shop.example")
        api.delete(f"/v1/customers/{gone['id']}")

        assert write_by_hand(api, path, {"email": "mei@shop.example"}, None)[0] == 201


class TestMatchParameter:
    @pytest.mark.parametrize("match", ["", "name", "email,", "email;phone", "EMAIL"])
    def test_anything_else_is_422(self, api: Api, match: str) -> None:
        assert pointers(api.put("/v1/customers/by/shop/1", {}, query_string={"match": match})) == {"query.match": "not_a_choice"}
        assert pointers(api.post("/v1/customers", {}, query_string={"match": match})) == {"query.match": "not_a_choice"}

    def test_without_it_nobody_is_matched(self, api: Api) -> None:
        customer(api, email="mei@shop.example")

        assert api.put("/v1/customers/by/shop/1", {"email": "mei@shop.example"}).status_code == 201
        assert api.post("/v1/customers", {"email": "mei@shop.example"}).status_code == 201

    def test_an_external_id_that_is_taken_is_said_after_the_match(self, api: Api) -> None:
        holder = customer(api, external_ids={"erp": "9"})
        known = customer(api, email="mei@shop.example")
        before = everything(api.app)

        response = api.put(
            "/v1/customers/by/shop/1", {"email": "mei@shop.example", "external_ids": {"erp": "9"}}, query_string={"match": "email"}
        )

        assert response.status_code == 409
        assert problem(response)["existing_id"] == holder["id"] != known["id"]
        assert everything(api.app) == before
