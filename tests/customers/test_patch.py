"""Protects the merge patch: what is left out stays, null clears, maps go on by name, and what changes nothing is no change."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from tests.builders import customer, events, whole_customer
from tests.client import Api, pointers, problem


class TestMerge:
    def test_what_is_left_out_stays(self, api: Api) -> None:
        made = customer(api, **whole_customer())

        response = api.patch(f"/v1/customers/{made['id']}", {"given_name": "Zoë"})

        assert response.status_code == 200
        assert response.headers["ETag"] == '"2.0"'
        assert response.json == made | {"given_name": "Zoë", "version": 2, "updated_at": response.json["updated_at"]}
        assert response.json["updated_at"] > made["updated_at"]
        assert api.get(f"/v1/customers/{made['id']}").json == response.json

    def test_null_clears_every_field_that_may_be_empty(self, api: Api) -> None:
        made = customer(api, **whole_customer())
        nothing = dict.fromkeys(name for name in whole_customer() if name not in ("kind", "status"))

        response = api.patch(f"/v1/customers/{made['id']}", nothing)

        empty = {"alternate_emails": [], "alternate_phones": [], "addresses": [], "tags": [], "external_ids": {}, "attributes": {}}
        assert response.json == made | nothing | empty | {"version": 2, "updated_at": response.json["updated_at"]}

    @pytest.mark.parametrize("name", ["kind", "status"])
    def test_a_field_that_always_has_a_value_cannot_be_cleared(self, api: Api, name: str) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}", {name: None})

        assert pointers(response) == {f"/{name}": "null"}

    def test_external_ids_and_attributes_go_on_by_name(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1", "erp": "2"}, attributes={"tier": "gold", "score": 1})
        patch = {"external_ids": {"erp": None, "crm": "3"}, "attributes": {"tier": None, "size": ["S"]}}

        response = api.patch(f"/v1/customers/{made['id']}", patch)

        assert response.json["external_ids"] == {"shop": "1", "crm": "3"}
        assert response.json["attributes"] == {"score": 1, "size": ["S"]}
        assert api.get("/v1/customers/by/crm/3").json == response.json
        assert api.get("/v1/customers/by/erp/2").status_code == 404

    def test_lists_are_replaced_whole(self, api: Api) -> None:
        made = customer(api, tags=["a", "b"], addresses=[{"city": "Turku", "line1": "1"}], attributes={"sizes": ["S", "M"]})
        patch = {"tags": ["c"], "addresses": [{"city": "Oulu"}], "attributes": {"sizes": ["L"]}}

        response = api.patch(f"/v1/customers/{made['id']}", patch)

        assert response.json["tags"] == ["c"]
        assert [(address["city"], address["line1"]) for address in response.json["addresses"]] == [("Oulu", None)]
        assert response.json["attributes"] == {"sizes": ["L"]}

    def test_a_national_phone_is_read_by_the_stored_country(self, api: Api) -> None:
        made = customer(api, country="FI")

        response = api.patch(f"/v1/customers/{made['id']}", {"phone": "040 1234567", "alternate_phones": ["09 1234567"]})

        assert response.json["phone"] == "+358401234567"
        assert response.json["alternate_phones"] == ["+35891234567"]

    def test_a_national_phone_is_read_by_the_country_that_comes_with_it(self, api: Api) -> None:
        made = customer(api, country="FI")

        response = api.patch(f"/v1/customers/{made['id']}", {"phone": "138 1234 5678", "country": "cn"})

        assert response.json["phone"] == "+8613812345678"

    def test_a_national_phone_without_any_country_is_422(self, api: Api) -> None:
        made = customer(api, country="CN")

        response = api.patch(f"/v1/customers/{made['id']}", {"phone": "138 1234 5678", "country": None})

        assert pointers(response) == {"/phone": "phone_region_unknown"}
        assert api.get(f"/v1/customers/{made['id']}").json == made

    def test_another_country_leaves_the_stored_phone_alone(self, api: Api) -> None:
        made = customer(api, country="CN", phone="138 1234 5678")

        response = api.patch(f"/v1/customers/{made['id']}", {"country": "FI"})

        assert response.json["phone"] == "+8613812345678"

    def test_a_patch_may_come_as_merge_patch_json(self, api: Api) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"}, content_type="application/merge-patch+json")

        assert response.json["owner"] == "anna"


class TestNoChange:
    @pytest.mark.parametrize(
        "patch",
        [
            {},
            whole_customer(),
            {"email": " Info@OASIS.example"},
            {"phone": "138-1234-5678"},
            {"country": "cn"},
            {"locale": "zh-hans-cn"},
            {"given_name": "Jose\u0301"},
            {"tags": ["vip", "vip", "展会"]},
            {"source_updated_at": "2024-05-01T16:00:00.123456+08:00"},
            {"attributes": {"unheard_of": None}},
            {"external_ids": {"unheard_of": None}},
            {"addresses": [dict(reversed(whole_customer()["addresses"][0].items()))]},
        ],
        ids=lambda patch: "+".join(patch)[:40] or "empty",
    )
    def test_what_is_stored_already_raises_no_version_and_makes_no_event(self, api: Api, patch: dict[str, Any]) -> None:
        made = customer(api, **whole_customer())

        response = api.patch(f"/v1/customers/{made['id']}", patch)

        assert response.status_code == 200
        assert response.json == made
        assert response.headers["ETag"] == '"1.0"'
        assert "Kehu-Position" not in response.headers
        assert events(api.app) == ["customer.created"]

    @pytest.mark.parametrize(
        "value",
        [
            *(0, 1, -7, 1.5, 1.0, 0.1, -0.0, 1e15, 1e16, 9.3e18, 1e19, -1e19, 1e22, 1.2345678901234567e22, 2.0**70, 1e300, 5e-324),
            2**53 + 1,
            2**63 - 1,
        ],
    )
    def test_a_number_is_the_same_number_when_it_is_sent_again(self, api: Api, value: float) -> None:
        made = customer(api, attributes={"a": value})

        response = api.patch(f"/v1/customers/{made['id']}", {"attributes": {"a": value}})

        assert response.json == made
        # The same number, which a read may write out (10000000000000000) where the write says 1e16; Python's own parser tells them apart.
        read = api.get(f"/v1/customers/{made['id']}")
        assert orjson.loads(read.get_data()) == orjson.loads(response.get_data())
        as_read = json.dumps({"attributes": json.loads(read.get_data())["attributes"]})
        again = api.request("PATCH", f"/v1/customers/{made['id']}", data=as_read, content_type="application/json")
        assert again.json == made
        assert events(api.app) == ["customer.created"]

    def test_an_effective_change_is_one_event_with_its_position(self, api: Api) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"})

        assert response.headers["Kehu-Position"]
        assert events(api.app) == ["customer.created", "customer.updated"]


class TestIsAChange:
    @pytest.mark.parametrize(
        ("before", "after"),
        [(1, True), (0, False), (True, 1), (1, 1.0), (1, "1"), ("a", ["a"]), (["a", "b"], ["b", "a"]), ("a", "A"), (False, "")],
        ids=repr,
    )
    def test_another_kind_of_value_is_another_value(self, api: Api, before: object, after: object) -> None:
        made = customer(api, attributes={"a": before})

        response = api.patch(f"/v1/customers/{made['id']}", {"attributes": {"a": after}})

        stored = api.get(f"/v1/customers/{made['id']}").json
        assert response.json["version"] == 2
        assert stored["attributes"] == {"a": after}
        assert type(stored["attributes"]["a"]) is type(after)

    def test_the_order_of_a_list_counts(self, api: Api) -> None:
        made = customer(api, tags=["a", "b"])

        response = api.patch(f"/v1/customers/{made['id']}", {"tags": ["b", "a"]})

        assert response.json["tags"] == ["b", "a"]
        assert response.json["version"] == 2


class TestRefusals:
    def test_an_unknown_id_is_404(self, api: Api) -> None:
        response = api.patch("/v1/customers/01890000-0000-7000-8000-000000000000", {"owner": "anna"})

        assert response.status_code == 404

    def test_a_malformed_patch_is_422_and_changes_nothing(self, api: Api) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna", "email": "nobody"})

        assert pointers(response) == {"/email": "invalid_email"}
        assert api.get(f"/v1/customers/{made['id']}").json == made

    def test_a_deleted_customer_is_410(self, api: Api) -> None:
        made = customer(api)
        api.delete(f"/v1/customers/{made['id']}")

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"})

        assert response.status_code == 410
        assert problem(response)["existing_id"] == made["id"]

    def test_an_external_id_of_another_is_409_and_changes_nothing(self, api: Api) -> None:
        holder = customer(api, external_ids={"shop": "1"})
        made = customer(api, external_ids={"shop": "2"})

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna", "external_ids": {"shop": "1"}})

        assert response.status_code == 409
        assert problem(response)["existing_id"] == holder["id"]
        assert api.get(f"/v1/customers/{made['id']}").json == made
        assert api.get("/v1/customers/by/shop/2").json == made


class TestIfMatch:
    @pytest.mark.parametrize("tag", ['"1.0"', '"1"', '"1.77"', 'W/"1.0"', '"9.9", "1.0"', "*", "1.0"])
    def test_a_patch_for_the_stored_version_is_made(self, api: Api, tag: str) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"}, headers={"If-Match": tag})

        assert response.json["owner"] == "anna"

    @pytest.mark.parametrize("tag", ['"2.0"', '"0"', '"11.0"', 'W/"2"', '""', '"x"', '"1.x"', ""])
    def test_a_patch_for_another_version_is_412_and_changes_nothing(self, api: Api, tag: str) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"}, headers={"If-Match": tag})

        assert response.status_code == 412
        assert problem(response)["version"] == 1
        assert api.get(f"/v1/customers/{made['id']}").json == made

    def test_of_two_patches_for_one_version_the_second_is_412(self, api: Api) -> None:
        made = customer(api)
        api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"}, headers={"If-Match": '"1.0"'})

        response = api.patch(f"/v1/customers/{made['id']}", {"owner": "otto"}, headers={"If-Match": '"1.0"'})

        assert response.status_code == 412
        assert api.get(f"/v1/customers/{made['id']}").json["owner"] == "anna"
