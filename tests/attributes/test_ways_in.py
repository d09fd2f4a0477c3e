"""Protects the promise that a defined attribute is checked whichever way it comes in, from the moment on in which it was defined."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from app.attributes import held
from app.factory import create_app
from tests.attributes.test_attributes import define
from tests.builders import customer, rows
from tests.client import Api, pointers
from tests.customers.bulk.calls import batch, codes, export, load, send

CSV = "text/csv"
ORDER: dict[str, Any] = {"kind": "order", "occurred_at": "2025-01-01T00:00:00Z"}


def faults(result: dict[str, Any]) -> dict[str, str]:
    """What was wrong with one item or line, by its pointer."""
    return {fault["pointer"]: fault["code"] for fault in result["problem"]["errors"]}


def attributes(api: Api, external_id: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/customers/by/shop/{external_id}").json["attributes"]
    return found


class TestBulk:
    def test_a_value_becomes_in_a_batch_what_it_becomes_alone(self, api: Api) -> None:
        define(api, "since", "timestamp")

        batch(api, {"op": "upsert", "source": "shop", "external_id": "1", "data": {"attributes": {"since": "2024-01-01T08:00:00+08:00"}}})

        assert attributes(api) == {"since": "2024-01-01T00:00:00Z"}

    def test_a_bad_item_is_refused_with_its_place_and_its_neighbours_are_written(self, api: Api) -> None:
        made = customer(api)
        define(api, "points", "integer")

        results = batch(
            api,
            {"op": "create", "data": {"attributes": {"points": "5"}}},
            {"op": "update", "id": made["id"], "data": {"attributes": {"points": True}}},
            {"op": "upsert", "source": "shop", "external_id": "1", "data": {"attributes": {"points": 5}}},
        )

        assert codes(results) == ["invalid", "invalid", None]
        assert [faults(result) for result in results[:2]] == [{"/data/attributes/points": "wrong_type"}] * 2
        assert attributes(api) == {"points": 5}

    def test_a_text_too_long_for_an_index_spoils_its_own_line_only(self, api: Api) -> None:
        long = "x" * 501
        lines = [{"external_id": "1", "attributes": {"tier": long}}, {"external_id": "2", "attributes": {"tier": "gold"}}]
        define(api, "tier", "string")
        assert load(api, *lines).outcomes == ["created", "created"]

        define(api, "tier", "string", indexed=True)

        imported = load(api, *lines)
        assert imported.outcomes == ["failed", "unchanged"]
        assert faults(imported.results[0]) == {"/attributes/tier": "too_long"}
        items = batch(
            api, {"op": "create", "data": {"attributes": {"tier": long}}}, {"op": "create", "data": {"attributes": {"tier": "x"}}}
        )
        assert codes(items) == ["invalid", None]
        assert faults(items[0]) == {"/data/attributes/tier": "too_long"}

    def test_a_required_one_is_missed_in_new_customers_only(self, api: Api) -> None:
        customer(api, external_ids={"shop": "old"})
        define(api, "tier", "string", required=True)

        items = batch(
            api,
            {"op": "create", "data": {}},
            {"op": "upsert", "source": "shop", "external_id": "1", "data": {"owner": "anna"}},
            {"op": "upsert", "source": "shop", "external_id": "old", "data": {"owner": "anna"}},
        )
        lines = load(api, {"external_id": "2"}, {"external_id": "old", "owner": "otto"}, {"external_id": "3", "attributes": {"tier": "x"}})

        assert codes(items) == ["invalid", "invalid", None]
        assert faults(items[0]) == {"/data/attributes/tier": "required"}
        assert lines.outcomes == ["failed", "updated", "created"]
        assert faults(lines.results[0]) == {"/attributes/tier": "required"}

    def test_a_bad_line_is_refused_in_ndjson_and_in_csv(self, api: Api) -> None:
        define(api, "tier", "enum")

        lines = load(api, {"external_id": "1", "attributes": {"tier": "XL"}}, {"external_id": "2", "attributes": {"tier": "S"}})
        records = send(api, b"external_id,attributes.tier\n3,XL\n4,M\n", kind=CSV, source="shop")

        assert [lines.outcomes, records.outcomes] == [["failed", "created"]] * 2
        assert [faults(each.results[0]) for each in (lines, records)] == [{"/attributes/tier": "not_a_choice"}] * 2

    @pytest.mark.parametrize(
        ("kind", "cell", "value"),
        [
            ("integer", "5", 5),
            ("integer", "-9007199254740993", -9007199254740993),
            ("number", "1.5", 1.5),
            ("number", "'-0.25", -0.25),
            ("number", "5", 5),
            ("boolean", "TRUE", True),
            ("boolean", "false", False),
            ("string_list", '"[""a"", ""b, c""]"', ["a", "b, c"]),
            ("string_list", "a|b", ["a", "b"]),
            ("string_list", "[]", []),
            ("string", "5", "5"),
            ("string", "true", "true"),
            ("enum", "S", "S"),
            ("date", "2024-02-29", "2024-02-29"),
            ("timestamp", "2024-02-29T08:00:00+08:00", "2024-02-29T00:00:00Z"),
            (None, "5", "5"),
            (None, "[]", "[]"),
        ],
    )
    def test_a_cell_is_read_as_what_is_defined(self, api: Api, kind: str | None, cell: str, value: Any) -> None:
        if kind is not None:
            define(api, "a", kind)
        body = f"external_id,attributes.a\n1,{cell}\n".encode()

        first = send(api, body, kind=CSV, source="shop")
        again = send(api, body, kind=CSV, source="shop")

        assert (first.outcomes, again.outcomes) == (["created"], ["unchanged"])
        assert attributes(api) == {"a": value}
        assert type(attributes(api)["a"]) is type(value)

    @pytest.mark.parametrize(
        ("kind", "cell", "code"),
        [
            ("integer", "1.5", "wrong_type"),
            ("integer", "five", "wrong_type"),
            ("integer", "9223372036854775808", "out_of_range"),
            ("number", "1e5", "wrong_type"),
            ("boolean", "yes", "wrong_type"),
            ("string_list", "[1]", "wrong_type"),
            ("string_list", '"[""a"""', "malformed_json"),
        ],
    )
    def test_a_cell_that_is_not_of_the_type_is_refused(self, api: Api, kind: str, cell: str, code: str) -> None:
        define(api, "a", kind)

        records = send(api, f"external_id,attributes.a\n1,{cell}\n2,\n".encode(), kind=CSV, source="shop")

        assert records.outcomes == ["failed", "created"]
        assert faults(records.results[0]) == {"/attributes/a": code}

    def test_the_cells_of_an_interaction_are_text(self, api: Api) -> None:
        customer(api, external_ids={"shop": "1"})
        define(api, "a", "integer")
        body = b"kind,occurred_at,customer.source,customer.external_id,external_id,attributes.a\nvisit,2025-01-01T00:00:00Z,shop,1,v1,5\n"

        response = api.post("/v1/contact-history/import?source=shop", data=body, content_type=CSV)

        assert response.status_code == 200, response.get_data(as_text=True)
        assert api.get("/v1/contact-history/by/shop/v1").json["attributes"] == {"a": "5"}

    def test_an_order_that_brings_its_customer_says_what_the_customer_lacks(self, api: Api) -> None:
        define(api, "tier", "string", required=True)
        order = ORDER | {"customer": {"source": "shop", "external_id": "1"}}

        response = api.put("/v1/contact-history/by/shop/o1?create_missing=true", order)

        assert pointers(response) == {"/customer": "required"}
        assert "/attributes/tier" in response.get_data(as_text=True)
        assert rows(api.app, "SELECT 1 FROM customers") == []

    def test_so_does_one_of_many_that_spoils_no_neighbour(self, api: Api) -> None:
        customer(api, external_ids={"shop": "old"})
        define(api, "tier", "string", required=True)
        items = [
            {
                "op": "upsert",
                "source": "shop",
                "external_id": f"o{name}",
                "data": ORDER | {"customer": {"source": "shop", "external_id": name}},
            }
            for name in ("new", "old")
        ]

        results = api.post("/v1/contact-history/batch?create_missing=true", {"items": items}).json["results"]

        assert codes(results) == ["invalid", None]
        assert faults(results[0]) == {"/data/customer": "required"}


class TestAgain:
    """The same line of an import is not looked at again while it means the same."""

    def test_after_another_definition_the_line_is_checked(self, api: Api) -> None:
        line = {"external_id": "1", "attributes": {"tier": "gold"}}
        assert load(api, line).outcomes == ["created"]
        assert load(api, line).outcomes == ["unchanged"]

        define(api, "tier", "enum")

        again = load(api, line)
        assert again.outcomes == ["failed"]
        assert faults(again.results[0]) == {"/attributes/tier": "not_a_choice"}

    def test_what_the_line_makes_of_the_customer_may_have_changed_too(self, api: Api) -> None:
        line = {"external_id": "1", "attributes": {"since": "2024-01-01T08:00:00+08:00"}}
        load(api, line)

        define(api, "since", "timestamp")

        assert load(api, line).outcomes == ["updated"]
        assert attributes(api) == {"since": "2024-01-01T00:00:00Z"}
        assert load(api, line).outcomes == ["unchanged"]

    def test_each_change_of_a_definition_counts_and_its_end(self, api: Api) -> None:
        line = {"external_id": "1", "attributes": {"tier": "S"}}
        define(api, "tier", "enum")
        load(api, line)

        define(api, "tier", "enum", enum=["M"])
        changed = load(api, line).outcomes
        api.delete("/v1/attributes/tier")
        retired = load(api, line).outcomes

        assert (changed, retired) == (["failed"], ["unchanged"])

    def test_a_line_without_attributes_means_what_it_meant(self, api: Api) -> None:
        line = {"external_id": "1", "owner": "anna"}
        load(api, line)
        digest = rows(api.app, "SELECT synced_digest FROM customers")

        define(api, "tier", "string", required=True)

        assert load(api, line).outcomes == ["unchanged"]
        load(api, {"external_id": "2", "attributes": {"tier": "x"}})
        load(api, line | {"owner": "otto"})
        load(api, line)
        assert rows(api.app, "SELECT synced_digest FROM customers WHERE owner = 'anna'") == digest

    def test_what_is_no_part_of_the_check_leaves_everything_as_it_is(self, api: Api) -> None:
        define(api, "tier", "string")
        before = rows(api.app, "SELECT edition FROM attribute_edition")

        define(api, "tier", "string", description="Of the shop.")

        assert rows(api.app, "SELECT edition FROM attribute_edition") == before


class TestProcesses:
    def test_another_process_checks_from_the_next_write_on(self, api: Api, app: Flask, config: Any) -> None:
        other = create_app(config)
        try:
            there = Api(other, token=api.token)
            made = there.post("/v1/customers", {"attributes": {"tier": 1}}).json
            for kind, value, status in (("string", 1, 422), ("integer", 1, 200), ("string", 1, 422)):
                # What a process holds is its own; here two share it.
                before = dict(held._held)
                define(api, "tier", kind)
                held._held.clear()
                held._held.update(before)

                response = there.patch(f"/v1/customers/{made['id']}", {"attributes": {"tier": value, "other": kind}})

                assert response.status_code == status
                api.delete("/v1/attributes/tier")
        finally:
            other.extensions["kehu"].database.close()


class TestExport:
    def test_it_takes_the_rules_that_the_list_takes(self, api: Api) -> None:
        define(api, "points", "integer")
        for number in range(5):
            customer(api, given_name=str(number), attributes={"points": number})

        found = export(api, filter="attributes.points >= 2 AND days_since(created_at) = 0", fields="given_name,attributes")

        assert [(row["given_name"], row["attributes"]) for row in found] == [(str(n), {"points": n}) for n in (2, 3, 4)]

    def test_as_csv_too(self, api: Api) -> None:
        customer(api, owner="anna", attributes={"points": 1})
        customer(api, owner="otto")

        response = api.get("/v1/customers/export?filter=owner='anna'&fields=attributes", headers={"Accept": CSV})

        header, record = response.get_data(as_text=True).strip().splitlines()
        assert header == "id,attributes"
        assert json.loads(record.split(",", 1)[1].strip('"').replace('""', '"')) == {"points": 1}

    @pytest.mark.parametrize("rule", ["owner =", "nonsense = 1", "attributes.nothing = 1"])
    def test_what_is_wrong_with_a_rule_is_said_before_anything_is_sent(self, api: Api, rule: str) -> None:
        response = api.get("/v1/customers/export", query_string={"filter": rule})

        assert list(pointers(response)) == ["query.filter"]
