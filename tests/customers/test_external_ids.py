"""Protects the ids of other systems: any text, one customer each, attached, detached and attached elsewhere."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from app.core import limits
from tests.builders import customer, events, rows
from tests.client import Api, pointers, problem

AS_WRITTEN = ["gid://shopify/Customer/1", "/leading", "//two", "a//b", "trailing/", "a/restore", "a/changes", "by/erp/1", "1?x=1", "a#b"]
OTHERS = [
    "100%",
    "%2F",
    "a b",
    "a+b",
    "ü",
    "客户-1",
    "👩‍👩‍👧",
    "..",
    "../x",
    "./x",
    ":",
    "a:b",
    "\\",
    '"',
    "{id}",
    "'; DROP TABLE customers; --",
    "NULL",
]


class TestPath:
    @pytest.mark.parametrize("external_id", [*AS_WRITTEN, *OTHERS])
    def test_any_text_is_an_id_when_it_is_percent_encoded(self, api: Api, external_id: str) -> None:
        address = f"/v1/customers/by/shop/{quote(external_id, safe='')}"

        made = api.put(address, {"owner": "anna"})

        assert made.status_code == 201
        assert made.json["external_ids"] == {"shop": external_id}
        assert api.get(address).json == made.json
        assert api.get(f"/v1/customers?external_id=shop:{quote(external_id, safe='')}").json["data"] == [made.json]
        assert api.delete(address).status_code == 204
        assert api.get(address).status_code == 404

    @pytest.mark.parametrize("external_id", [text for text in AS_WRITTEN if "?" not in text and "#" not in text])
    def test_slashes_may_stand_as_they_are(self, api: Api, external_id: str) -> None:
        made = customer(api, external_ids={"shop": external_id})

        response = api.get(f"/v1/customers/by/shop/{external_id}")

        assert response.json == made

    def test_ids_that_differ_in_slashes_only_are_different(self, api: Api) -> None:
        made = {text: customer(api, external_ids={"shop": text})["id"] for text in ("a/b", "a//b", "/a/b", "a/b/")}

        found = {text: api.get(f"/v1/customers/by/shop/{text}").json["id"] for text in made}

        assert found == made

    def test_ids_that_differ_in_case_only_are_different(self, api: Api) -> None:
        customer(api, external_ids={"shop": "a"})

        assert api.get("/v1/customers/by/shop/A").status_code == 404

    def test_an_id_is_kept_in_nfc_and_found_in_either_form(self, api: Api) -> None:
        made = api.put(f"/v1/customers/by/shop/{quote('e' + chr(0x301))}", {}).json

        assert made["external_ids"] == {"shop": "é"}
        assert api.get(f"/v1/customers/by/shop/{quote('é')}").json == made

    def test_an_address_without_an_external_id_is_404(self, api: Api) -> None:
        assert api.get("/v1/customers/by/shop/").status_code == 404
        assert api.get("/v1/customers/by/shop").status_code == 404

    def test_an_id_of_255_emoji_is_kept(self, api: Api) -> None:
        longest = "\U0001f9d1" * 255

        made = customer(api, external_ids={"x" * 64: longest})

        assert api.get(f"/v1/customers/by/{'x' * 64}/{quote(longest)}").json == made


class TestBody:
    @pytest.mark.parametrize(
        ("external_ids", "faults"),
        [
            ({"shop": 1}, {"/external_ids/shop": "wrong_type"}),
            ({"shop": ""}, {"/external_ids/shop": "empty"}),
            ({"shop": "x" * 256}, {"/external_ids/shop": "too_long"}),
            ({"shop": "a\nb"}, {"/external_ids/shop": "control_character"}),
            ({"Shop": "1", "": "2"}, {"/external_ids/Shop": "invalid_source", "/external_ids/": "invalid_source"}),
            ({"a/b~c": "1"}, {"/external_ids/a~1b~0c": "invalid_source"}),
            (["1"], {"/external_ids": "wrong_type"}),
            ({f"s{number}": "1" for number in range(limits.EXTERNAL_IDS_MAX + 1)}, {"/external_ids": "wrong_count"}),
        ],
    )
    def test_what_is_no_external_id_is_422(self, api: Api, external_ids: object, faults: dict[str, str]) -> None:
        response = api.post("/v1/customers", {"external_ids": external_ids})

        assert pointers(response) == faults

    def test_many_sources_may_know_one_customer(self, api: Api) -> None:
        made = customer(api, external_ids={f"s{number}": "1" for number in range(limits.EXTERNAL_IDS_MAX)})

        assert api.get("/v1/customers/by/s49/1").json == made

    @pytest.mark.parametrize("external_ids", [{"shop": "2"}, {"shop": None}, None], ids=["another", "null", "all null"])
    def test_a_body_that_contradicts_the_address_is_422(self, api: Api, external_ids: object) -> None:
        made = customer(api, external_ids={"shop": "1"})

        response = api.put("/v1/customers/by/shop/1", {"external_ids": external_ids})

        assert list(pointers(response).values()) == ["external_id_differs"]
        assert api.get("/v1/customers/by/shop/1").json == made

    def test_a_body_that_repeats_the_address_is_taken(self, api: Api) -> None:
        made = api.put("/v1/customers/by/shop/1", {"external_ids": {"shop": "1", "erp": "2"}})

        assert made.status_code == 201
        assert made.json["external_ids"] == {"shop": "1", "erp": "2"}

    def test_the_same_id_spelt_otherwise_contradicts_nothing(self, api: Api) -> None:
        response = api.put(f"/v1/customers/by/shop/{quote('é')}", {"external_ids": {"shop": "e\u0301"}})

        assert response.status_code == 201


class TestDetach:
    def test_the_id_is_free_and_the_customer_stays(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1", "erp": "2"})

        response = api.delete("/v1/customers/by/shop/1")

        assert response.status_code == 204
        assert response.headers["Kehu-Position"]
        left = api.get(f"/v1/customers/{made['id']}").json
        assert left == made | {"external_ids": {"erp": "2"}, "version": 2, "updated_at": left["updated_at"]}
        assert api.get("/v1/customers/by/shop/1").status_code == 404
        assert events(api.app) == ["customer.created", "customer.updated"]

    def test_a_detached_id_can_be_attached_elsewhere(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})
        other = customer(api)
        api.delete("/v1/customers/by/shop/1")

        response = api.patch(f"/v1/customers/{other['id']}", {"external_ids": {"shop": "1"}})

        assert response.status_code == 200
        assert api.get("/v1/customers/by/shop/1").json["id"] == other["id"]

    def test_a_detached_id_makes_a_new_customer_at_the_next_sync(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})
        api.delete("/v1/customers/by/shop/1")

        response = api.put("/v1/customers/by/shop/1", {})

        assert response.status_code == 201
        assert response.json["id"] != made["id"]

    def test_an_id_that_stands_for_nobody_is_404(self, api: Api) -> None:
        assert api.delete("/v1/customers/by/shop/1").status_code == 404

    def test_an_id_of_a_deleted_customer_is_410_and_stays(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})
        api.delete(f"/v1/customers/{made['id']}")

        response = api.delete("/v1/customers/by/shop/1")

        assert response.status_code == 410
        assert problem(response)["existing_id"] == made["id"]
        assert api.post(f"/v1/customers/{made['id']}/restore").json["external_ids"] == {"shop": "1"}

    def test_another_version_is_412_and_the_id_stays(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})

        response = api.delete("/v1/customers/by/shop/1", headers={"If-Match": '"2.0"'})

        assert response.status_code == 412
        assert api.get("/v1/customers/by/shop/1").json == made


class TestExchange:
    def test_another_id_of_one_source_frees_the_former(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})

        api.patch(f"/v1/customers/{made['id']}", {"external_ids": {"shop": "2"}})

        assert api.get("/v1/customers/by/shop/1").status_code == 404
        assert api.get("/v1/customers/by/shop/2").json["id"] == made["id"]

    def test_the_keys_always_tell_what_the_rows_tell(self, api: Api) -> None:
        first = customer(api, external_ids={"shop": "1", "erp": "1"})
        second = customer(api, external_ids={"shop": "2"})
        api.patch(f"/v1/customers/{first['id']}", {"external_ids": {"shop": None, "crm": "1"}})
        api.patch(f"/v1/customers/{second['id']}", {"external_ids": {"shop": "1"}})
        api.patch(f"/v1/customers/{second['id']}", {"external_ids": None})
        api.put("/v1/customers/by/erp/1", {"external_ids": {"shop": "2"}})

        keys = {(row.source, row.external_id, str(row.customer_id)) for row in rows(api.app, "SELECT * FROM customer_keys")}

        copies = {
            (source, key, item["id"]) for item in api.get("/v1/customers").json["data"] for source, key in item["external_ids"].items()
        }
        assert keys == copies == {("crm", "1", first["id"]), ("erp", "1", first["id"]), ("shop", "2", first["id"])}
