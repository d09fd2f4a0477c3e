"""Protects custom attributes: their definition over HTTP, the check of values on every way in, and what rules may name."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import limits
from app.rules.types import OPERATORS, Type
from tests.builders import customer, events, rows
from tests.client import Api, pointers, problem

# Of each type one value that is taken, as it is kept, and some that are not.
TYPES: dict[str, tuple[Any, Any, list[Any]]] = {
    "string": ("gold", "gold", [5, True, ["gold"], 1.5]),
    "integer": (5.0, 5, [1.5, "5", True, ["5"]]),
    "number": (1.5, 1.5, ["1.5", True, ["1"]]),
    "boolean": (False, False, [0, "false", ["x"]]),
    "date": ("2024-02-29", "2024-02-29", ["2023-02-29", "2024-2-29", "2024-02-29T00:00:00Z", 5, True]),
    "timestamp": ("2024-02-29T08:00:00.5+08:00", "2024-02-29T00:00:00.500000Z", ["2024-02-29T08:00:00", "2024-02-29", 5]),
    "enum": ("S", "S", ["XL", "s", 5, ["S"]]),
    "string_list": (["a", "b"], ["a", "b"], ["a", 5, True]),
}


def define(api: Api, name: str, kind: str, **more: Any) -> dict[str, Any]:
    """A definition, as the API answers it."""
    enum = {"enum": ["S", "M"]} if kind == "enum" else {}
    response = api.put(f"/v1/attributes/{name}", {"type": kind, **enum, **more})
    assert response.status_code in (200, 201), response.get_data(as_text=True)
    return dict(response.json)


class TestPut:
    def test_a_definition_is_answered_whole(self, api: Api) -> None:
        response = api.put("/v1/attributes/size", {"type": "enum", "enum": ["S", "M"], "description": "Shirts."})

        assert response.status_code == 201
        times = {name: response.json[name] for name in ("created_at", "updated_at")}
        assert response.json == times | {
            "name": "size",
            "type": "enum",
            "description": "Shirts.",
            "enum": ["S", "M"],
            "required": False,
            "indexed": False,
            "index": "none",
            "version": 1,
        }
        assert response.headers["ETag"] == '"1"'
        assert api.get("/v1/attributes/size").json == response.json

    def test_another_definition_takes_its_place_and_raises_the_version(self, api: Api) -> None:
        first = define(api, "size", "enum", description="Shirts.")

        second = api.put("/v1/attributes/size", {"type": "enum", "enum": ["S", "M", "L"], "required": True})

        assert second.status_code == 200
        changed = {"enum": ["S", "M", "L"], "required": True, "description": None, "version": 2}
        assert second.json == first | changed | {"updated_at": second.json["updated_at"]}

    def test_the_same_again_changes_nothing(self, api: Api) -> None:
        first = define(api, "size", "enum")

        assert api.put("/v1/attributes/size", {"type": "enum", "enum": ["S", "M"]}).json == first

    def test_the_type_stays(self, api: Api) -> None:
        define(api, "size", "string")

        response = api.put("/v1/attributes/size", {"type": "number"})

        assert response.status_code == 409
        assert problem(response)["code"] == "attribute_type_fixed"
        assert problem(response)["type"] == "urn:kehu:problem:attribute_type_fixed"

    def test_a_stale_version_is_412_and_a_star_wants_nothing_there(self, api: Api) -> None:
        define(api, "size", "string")
        define(api, "size", "string", required=True)

        stale = api.put("/v1/attributes/size", {"type": "string"}, headers={"If-Match": '"1"'})
        taken = api.put("/v1/attributes/size", {"type": "string"}, headers={"If-None-Match": "*"})
        absent = api.put("/v1/attributes/other", {"type": "string"}, headers={"If-Match": '"1"'})

        assert (stale.status_code, taken.status_code, absent.status_code) == (412, 412, 412)

    @pytest.mark.parametrize("name", ["1a", "a-b", "a.b", "x" * 65, "_a", "é", "a'b"])
    def test_a_name_that_is_none_is_422(self, api: Api, name: str) -> None:
        assert pointers(api.put(f"/v1/attributes/{name}", {"type": "string"})) == {"path.attribute": "invalid_name"}

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({}, {"/type": "required"}),
            ({"type": "text"}, {"/type": "not_a_choice"}),
            ({"type": "enum"}, {"/enum": "required"}),
            ({"type": "enum", "enum": []}, {"/enum": "wrong_count"}),
            ({"type": "string", "enum": ["S"]}, {"/enum": "not_allowed"}),
            ({"type": "enum", "enum": ["x" * 65]}, {"/enum/0": "too_long"}),
            ({"type": "string", "description": "x" * 256}, {"/description": "too_long"}),
            ({"type": "string", "indexed": "yes"}, {"/indexed": "wrong_type"}),
            ({"type": "string", "name": "x"}, {"/name": "unknown_field"}),
        ],
    )
    def test_a_definition_that_is_none_is_422(self, api: Api, body: dict[str, Any], found: dict[str, str]) -> None:
        assert pointers(api.put("/v1/attributes/size", body)) == found

    def test_there_is_an_end_to_them(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "DEFINITIONS_MAX", 1)
        define(api, "first", "string")

        response = api.put("/v1/attributes/second", {"type": "string"})

        assert (response.status_code, problem(response)["code"]) == (409, "too_many_attributes")


class TestDelete:
    def test_a_retired_attribute_is_gone_and_its_values_stay(self, api: Api) -> None:
        define(api, "size", "integer")
        made = customer(api, attributes={"size": 5})

        assert api.delete("/v1/attributes/size").status_code == 204

        assert api.get("/v1/attributes/size").status_code == 404
        assert api.delete("/v1/attributes/size").status_code == 404
        assert api.get(f"/v1/customers/{made['id']}").json["attributes"] == {"size": 5}
        assert customer(api, attributes={"size": "any"})["attributes"] == {"size": "any"}

    def test_its_name_is_free(self, api: Api) -> None:
        define(api, "size", "integer")
        api.delete("/v1/attributes/size")

        assert define(api, "size", "string")["version"] == 1


@pytest.mark.parametrize("kind", TYPES)
class TestValues:
    def test_a_value_of_the_type_is_taken(self, api: Api, kind: str) -> None:
        define(api, "a", kind)
        sent, kept, _ = TYPES[kind]

        made = customer(api, attributes={"a": sent, "other": 1})

        assert made["attributes"] == {"a": kept, "other": 1}
        assert type(made["attributes"]["a"]) is type(kept)

    def test_any_other_is_422_on_every_way_in(self, api: Api, kind: str) -> None:
        made = customer(api, external_ids={"shop": "1"})
        define(api, "a", kind)
        code = {"enum": "not_a_choice", "date": None, "timestamp": None}.get(kind, "wrong_type")

        for value in TYPES[kind][2]:
            body = {"attributes": {"a": value}}
            answers = [
                api.post("/v1/customers", body),
                api.patch(f"/v1/customers/{made['id']}", body),
                api.put("/v1/customers/by/shop/1", body),
                api.put("/v1/customers/by/shop/2", body),
            ]
            for answer in answers:
                assert list(pointers(answer)) == ["/attributes/a"], value
                assert code is None or pointers(answer)["/attributes/a"] == code
        assert events(api.app) == ["customer.created"]

    def test_null_takes_it_away(self, api: Api, kind: str) -> None:
        define(api, "a", kind)
        made = customer(api, attributes={"a": TYPES[kind][0]})

        assert api.patch(f"/v1/customers/{made['id']}", {"attributes": {"a": None}}).json["attributes"] == {}

    def test_the_same_again_is_no_change(self, api: Api, kind: str) -> None:
        define(api, "a", kind)
        made = customer(api, attributes={"a": TYPES[kind][0]})

        again = api.patch(f"/v1/customers/{made['id']}", {"attributes": {"a": TYPES[kind][0]}})

        assert again.json == made


class TestRequired:
    def test_a_new_customer_has_to_have_it(self, api: Api) -> None:
        define(api, "tier", "string", required=True)

        refused = [
            api.post("/v1/customers", {}),
            api.post("/v1/customers", {"attributes": {"tier": None}}),
            api.put("/v1/customers/by/shop/1", {"attributes": {"other": 1}}),
        ]

        assert [pointers(response) for response in refused] == [{"/attributes/tier": "required"}] * 3
        assert rows(api.app, "SELECT 1 FROM customers") == []

    def test_none_may_lose_it_and_who_never_had_it_may_go_on(self, api: Api) -> None:
        before = customer(api)
        define(api, "tier", "string", required=True)
        made = customer(api, attributes={"tier": "gold"})

        lost = [api.patch(f"/v1/customers/{made['id']}", {"attributes": sent}) for sent in (None, {"tier": None}, {"tier": ""})]
        kept = api.patch(f"/v1/customers/{before['id']}", {"attributes": {"other": 1}})

        assert [pointers(response) for response in lost[:2]] == [{"/attributes/tier": "required"}] * 2
        assert lost[2].status_code == 200
        assert kept.json["attributes"] == {"other": 1}


class TestNames:
    def test_everything_that_a_rule_may_name_is_listed(self, api: Api) -> None:
        define(api, "size", "enum", description="Shirts.")

        response = api.get("/v1/attributes")

        assert response.status_code == 200
        assert response.json["next_cursor"] is None
        named = {item["name"]: item for item in response.json["data"]}
        expected = {"country", "email", "tags", "metrics.order_count", "metrics.order_total.<currency>", "attributes.size", "days_since"}
        assert expected <= set(named)
        assert named["attributes.size"] == {
            "name": "attributes.size",
            "of": "customers",
            "kind": "attribute",
            "type": "string",
            "operators": list(OPERATORS[Type.STRING]),
            "meaning": "Shirts.",
            "enum": ["S", "M"],
            "parameters": None,
        }
        assert named["status"]["enum"] == ["active", "inactive", "blocked"]
        assert named["days_since"]["parameters"] == [{"name": "time", "types": ["timestamp"]}]
        assert all(item["meaning"].endswith(".") for item in response.json["data"])

    def test_those_of_interactions_are_a_list_of_their_own(self, api: Api) -> None:
        define(api, "size", "enum")

        rows = api.get("/v1/attributes?of=contact_history").json["data"]

        named = {item["name"]: item for item in rows}
        assert {"kind", "occurred_at", "amount", "days_since"} <= set(named)
        assert not {"email", "attributes.size", "metrics.order_count", "contact_count"} & set(named)
        assert {item["of"] for item in rows} == {"contact_history"}
        assert named["amount"]["type"] == "number"
        assert named["direction"]["enum"] == ["inbound", "outbound", "internal"]

    @pytest.mark.parametrize("of", ["customers", "contact_history"])
    def test_every_listed_name_can_be_asked(self, api: Api, of: str) -> None:
        for name in (item["name"] for item in api.get(f"/v1/attributes?of={of}").json["data"] if item["kind"] != "function"):
            written = name.replace("<currency>", "CNY").replace("<source>", "shop")

            response = api.get("/v1/" + of.replace("_", "-"), query_string={"filter": f"{written} IS NULL"})

            assert response.status_code == 200, name
