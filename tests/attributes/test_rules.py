"""Protects custom attributes in rules and their indexes: values of another type count as none, and an index is really used."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from flask import Flask

from app.attributes import indexing
from app.config import Config
from app.core import limits
from tests.attributes.test_attributes import TYPES, define
from tests.builders import customer, execute, insert_customers, rows
from tests.client import Api, pointers, problem
from tests.conftest import wait_for_indexes
from tests.customers.test_plans import explained

INDEXES = (
    "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname LIKE 'ix_customers_attribute_%'"
)


@pytest.fixture(autouse=True)
def no_indexes(app: Flask, config: Config) -> Any:
    """None before, and none left behind."""
    yield
    wait_for_indexes()
    execute(app, "TRUNCATE attributes")
    indexing.reconcile(config.database_url or "", config)
    assert rows(app, INDEXES) == []


def found(api: Api, rule: str) -> list[str]:
    response = api.get("/v1/customers", query_string={"filter": rule, "sort": "created_at"})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["given_name"] for item in response.json["data"]]


class TestRules:
    @pytest.mark.parametrize(
        ("kind", "values", "rule", "expected"),
        [
            ("string", ["gold", "Gold", 5], "attributes.a = 'gold'", ["0"]),
            ("string", ["gold", "Gold", 5], "CASEI(attributes.a) = CASEI('GOLD')", ["0", "1"]),
            ("string", ["gold", "5", 5], "attributes.a <> 'gold'", ["1", "2", "nobody"]),
            ("string", ["gold", "5", 5], "attributes.a IS NULL", ["2", "nobody"]),
            ("string", ["a", "b", "c"], "attributes.a BETWEEN 'a' AND 'b'", ["0", "1"]),
            ("enum", ["S", "M", "XL"], "attributes.a IN ('S', 'XL')", ["0", "2"]),
            ("integer", [1, 2, "3"], "attributes.a > 1", ["1"]),
            ("integer", [1, 2, 9007199254740993], "attributes.a = 9007199254740993", ["2"]),
            ("number", [0.1, 0.5, "0.7"], "attributes.a = 0.1", ["0"]),
            ("number", [0.1, 0.5, True], "attributes.a < 0.5000000000000000001", ["0", "1"]),
            ("number", [1e300, 0.5, []], "attributes.a > 99999999999999999999999999999999999999", ["0"]),
            ("boolean", [True, False, "true"], "attributes.a = TRUE", ["0"]),
            ("boolean", [True, False, "true"], "attributes.a <> TRUE", ["1", "2", "nobody"]),
            ("date", ["2024-02-29", "2023-02-29", "0000-01-01"], "attributes.a IS NOT NULL", ["0"]),
            ("date", ["2024-02-29", "1900-02-29", "2000-02-29"], "attributes.a IS NOT NULL", ["0", "2"]),
            ("date", ["2024-04-31", "2024-13-01", "2024-12-31"], "attributes.a IS NOT NULL", ["2"]),
            ("date", ["2024-02-29", "soon", 20240229], "attributes.a < DATE('2024-03-01')", ["0"]),
            ("date", ["2024-02-29", "2024-03-01", 1], "month(attributes.a) = 2 AND day(attributes.a) = 29", ["0"]),
            (
                "timestamp",
                ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000001Z", "2024-02-29T00:00:00"],
                "attributes.a > TIMESTAMP('2024-02-29T00:00:00Z')",
                ["1"],
            ),
            ("timestamp", ["2024-02-29T23:59:59.999999Z", "2024-02-30T00:00:00Z", "x"], "days_since(attributes.a) > 1", ["0"]),
            ("timestamp", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2024-02-29T24:00:00Z"], "attributes.a IS NOT NULL", ["0", "1"]),
            ("string_list", [["a", "b"], ["b"], "b"], "A_CONTAINS(attributes.a, ('a', 'b'))", ["0"]),
            ("string_list", [["a", "b"], ["b"], "b"], "A_OVERLAPS(attributes.a, ('b', 'c'))", ["0", "1"]),
            ("string_list", [["a"], [], "b"], "attributes.a IS NULL", ["1", "2", "nobody"]),
            ("string_list", [["a"], [], "b"], "NOT A_OVERLAPS(attributes.a, ('a'))", ["1", "2", "nobody"]),
        ],
    )
    def test_a_value_of_another_type_counts_as_none(self, api: Api, kind: str, values: list[Any], rule: str, expected: list[str]) -> None:
        # Kept before anybody said what they are.
        for number, value in enumerate(values):
            customer(api, given_name=str(number), attributes={"a": value})
        customer(api, given_name="nobody")
        define(api, "a", kind)

        assert found(api, rule) == expected

    def test_an_undefined_attribute_is_422_that_says_how_to_define_it(self, api: Api) -> None:
        define(api, "tier", "string")

        response = api.get("/v1/customers", query_string={"filter": "attributes.teir = 'gold'"})

        assert pointers(response) == {"query.filter": "attribute_undefined"}
        detail = problem(response)["errors"][0]["detail"]
        assert "PUT /v1/attributes/teir" in detail
        assert "Did you mean `tier`?" in detail

    def test_a_retired_one_is_undefined_at_once(self, api: Api) -> None:
        define(api, "tier", "string")
        api.delete("/v1/attributes/tier")

        response = api.get("/v1/customers", query_string={"filter": "attributes.tier = 'gold'"})

        assert pointers(response) == {"query.filter": "attribute_undefined"}

    def test_a_type_is_held_to(self, api: Api) -> None:
        define(api, "tier", "date")

        response = api.get("/v1/customers", query_string={"filter": "attributes.tier = 'gold'"})

        assert pointers(response) == {"query.filter": "wrong_type"}


def wait_until_ready(api: Api, name: str) -> None:
    until = time.monotonic() + 10
    while api.get(f"/v1/attributes/{name}").json["index"] != "ready":
        assert time.monotonic() < until, "the index is not built"
        time.sleep(0.02)


def incompressible(length: int) -> str:
    """Text that no compression makes fit into a page of an index."""
    return "".join(map(chr, random.Random(length).choices(range(0x4E00, 0x9FA5), k=length)))  # no secret


class TestLongTexts:
    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("string", incompressible(limits.ATTRIBUTE_INDEXED_TEXT_MAX)),
            ("string_list", [incompressible(limits.ATTRIBUTE_INDEXED_TEXT_MAX)]),
        ],
    )
    def test_the_longest_that_is_taken_fits_into_the_index(self, api: Api, kind: str, value: Any) -> None:
        define(api, "a", kind, indexed=True)
        wait_until_ready(api, "a")

        assert customer(api, attributes={"a": value})["attributes"] == {"a": value}

    @pytest.mark.parametrize(("kind", "value"), [("string", incompressible(900)), ("string_list", ["x", incompressible(900)])])
    def test_a_longer_one_is_422_where_the_attribute_is_indexed(self, api: Api, kind: str, value: Any) -> None:
        made = customer(api, external_ids={"shop": "1"})
        define(api, "a", kind)
        customer(api, attributes={"a": value})
        define(api, "a", kind, indexed=True)

        body = {"attributes": {"a": value}}
        answers = [
            api.post("/v1/customers", body),
            api.patch(f"/v1/customers/{made['id']}", body),
            api.put("/v1/customers/by/shop/1", body),
            api.put("/v1/customers/by/shop/2", body),
        ]

        assert [pointers(answer) for answer in answers] == [{"/attributes/a": "too_long"}] * 4

    @pytest.mark.parametrize("kind", ["string", "enum", "string_list"])
    def test_those_that_were_there_do_not_hinder_the_index(self, api: Api, kind: str) -> None:
        values = [incompressible(900), [incompressible(4096)], "short", ["short"]]
        made = [customer(api, attributes={"a": value}) for value in values]

        define(api, "a", kind, indexed=True)
        wait_until_ready(api, "a")
        written = [api.patch(f"/v1/customers/{one['id']}", {"owner": "anna"}) for one in made]

        assert [response.json["attributes"] for response in written] == [{"a": value} for value in values]

    def test_they_count_as_none_as_long_as_there_is_an_index(self, api: Api) -> None:
        long = incompressible(900)
        customer(api, given_name="long", attributes={"a": long})
        customer(api, given_name="short", attributes={"a": long[:500]})
        rules = (f"attributes.a = '{long}'", f"attributes.a = '{long[:500]}'", "attributes.a IS NULL")

        asked = []
        for indexed in (False, True, False):
            define(api, "a", "string", indexed=indexed)
            asked.append([found(api, rule) for rule in rules])

        assert asked == [[["long"], ["short"], []], [[], ["short"], ["long"]], [["long"], ["short"], []]]

    def test_a_list_keeps_its_long_items(self, api: Api) -> None:
        long = incompressible(1000)
        customer(api, given_name="long", attributes={"a": [long, "x"]})
        define(api, "a", "string_list", indexed=True)
        wait_until_ready(api, "a")

        assert found(api, f"A_CONTAINS(attributes.a, ('{long}', 'x'))") == ["long"]


class TestIndexes:
    RULES = {
        "string": "attributes.a = 'v77'",
        "enum": "attributes.a IN ('v77')",
        "integer": "attributes.a = 77",
        "number": "attributes.a BETWEEN 76.5 AND 77.5",
        "date": "attributes.a = DATE('2024-02-29')",
        "timestamp": "attributes.a < TIMESTAMP('2024-02-29T00:00:01Z')",
        "string_list": "A_CONTAINS(attributes.a, ('v77'))",
    }
    VALUES: dict[str, Any] = {
        "string": "v{}",
        "enum": "v{}",
        "date": "2024-02-29",
        "timestamp": "2024-02-29T00:00:00Z",
    }

    @pytest.mark.parametrize("kind", RULES)
    def test_an_index_is_built_and_answers_the_rule(self, api: Api, kind: str) -> None:
        def value(number: int) -> Any:
            if kind in ("integer", "number"):
                return number
            if kind == "string_list":
                return [f"v{number}", "x"]
            if kind in ("date", "timestamp") and number != 77:
                return f"2025-01-{number % 28 + 1:02}" + ("T00:00:00Z" if kind == "timestamp" else "")
            return self.VALUES[kind].format(number)

        insert_customers(api.app, ({"given_name": str(number), "attributes": {"a": value(number)}} for number in range(2000)))
        define(api, "a", kind, indexed=True)
        wait_until_ready(api, "a")
        execute(api.app, "ANALYZE customers")

        # The count has no order that another index would serve.
        with explained(api.app) as plans:
            response = api.get("/v1/customers", query_string={"filter": self.RULES[kind], "count": "exact"})

        assert [item["given_name"] for item in response.json["data"]] == ["77"]
        assert any("ix_customers_attribute_" in str(plan) for plan in plans)

    @pytest.mark.parametrize("kind", TYPES)
    def test_every_type_can_be_indexed_whatever_is_there(self, api: Api, kind: str) -> None:
        for _, kept, others in TYPES.values():
            insert_customers(api.app, ({"attributes": {"a": one}} for one in (kept, *others)))

        define(api, "a", kind, indexed=True)

        wait_until_ready(api, "a")

    def test_it_is_dropped_where_it_is_not_wanted_any_more(self, api: Api) -> None:
        define(api, "a", "string", indexed=True)
        wait_until_ready(api, "a")

        unwanted = define(api, "a", "string")

        assert unwanted["index"] == "none"
        until = time.monotonic() + 10
        while rows(api.app, INDEXES):
            assert time.monotonic() < until
            time.sleep(0.02)

    def test_one_that_was_broken_off_is_built_again(self, api: Api, config: Config) -> None:
        define(api, "a", "string", indexed=True)
        wait_until_ready(api, "a")
        execute(
            api.app, "UPDATE pg_index SET indisvalid = false FROM pg_class c WHERE c.oid = indexrelid AND relname LIKE 'ix_customers_attr%'"
        )
        assert api.get("/v1/attributes/a").json["index"] == "building"

        indexing.reconcile(config.database_url or "", config)

        assert api.get("/v1/attributes/a").json["index"] == "ready"

    def test_one_that_cannot_be_built_hinders_no_other(self, api: Api, config: Config) -> None:
        # A number that the API would not have taken, and that no page of an index has room for.
        customer(api)
        digits = "".join(random.Random(1).choices("123456789", k=20_000))  # no secret
        execute(api.app, f"UPDATE customers SET attributes = '{{\"a\": {digits}}}'")

        define(api, "a", "number", indexed=True)
        define(api, "b", "string", indexed=True)

        wait_until_ready(api, "b")
        assert api.get("/v1/attributes/a").json["index"] == "building"
        execute(api.app, "UPDATE customers SET attributes = '{}'")
        indexing.reconcile(config.database_url or "", config)
        assert api.get("/v1/attributes/a").json["index"] == "ready"

    def test_writes_go_on_while_it_is_built(self, api: Api, config: Config) -> None:
        define(api, "a", "string")
        with api.app.extensions["kehu"].database.engine.connect() as held:
            # The build waits for this one, and nobody for the build.
            held.exec_driver_sql("BEGIN; LOCK TABLE customers IN ROW EXCLUSIVE MODE")
            define(api, "a", "string", indexed=True)
            time.sleep(0.3)

            made = api.post("/v1/customers", {"attributes": {"a": "x"}})
            state = api.get("/v1/attributes/a").json["index"]

            held.exec_driver_sql("ROLLBACK")
        assert (made.status_code, state) == (201, "building")
        wait_until_ready(api, "a")
