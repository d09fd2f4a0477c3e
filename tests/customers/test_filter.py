"""Protects rules over HTTP: the list and the search find the same, faults say where, pages are one evaluation, and bombs are refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.core import limits
from app.factory import create_app
from tests.builders import LONG_AGO, customer, insert_customers
from tests.client import Api, pointers, problem
from tests.conftest import config_for

FINNS = {"op": "=", "args": [{"property": "country"}, "FI"]}


def listed(api: Api, rule: str) -> list[str]:
    """The given names on the page."""
    response = api.get("/v1/customers", query_string={"filter": rule, "sort": "created_at"})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["given_name"] for item in response.json["data"]]


def searched(api: Api, **body: Any) -> list[str]:
    response = api.post("/v1/customers/search", {"sort": "created_at"} | body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["given_name"] for item in response.json["data"]]


@pytest.fixture
def three(api: Api) -> None:
    customer(api, given_name="A", country="CN", tags=["vip"], email="A@x.example", birthday="1984-02-29")
    customer(api, given_name="B", country="FI", tags=["vip", "new"])
    customer(api, given_name="C")


@pytest.mark.usefixtures("three")
class TestFound:
    @pytest.mark.parametrize(
        ("rule", "found"),
        [
            ("country = 'CN'", ["A"]),
            ("country <> 'CN'", ["B", "C"]),
            ("NOT country = 'CN' AND A_CONTAINS(tags, ('vip', 'new'))", ["B"]),
            ("email = 'a@X.example'", ["A"]),
            ("month(birthday) = 2", ["A"]),
            ("metrics.order_count = 0", ["A", "B", "C"]),
            ("days_since(created_at) < 1", ["A", "B", "C"]),
            ("now() < created_at", []),
            ("TRUE", ["A", "B", "C"]),
        ],
    )
    def test_the_list_takes_a_rule_as_text(self, api: Api, rule: str, found: list[str]) -> None:
        assert listed(api, rule) == found

    def test_a_rule_narrows_further_what_the_other_parameters_leave(self, api: Api) -> None:
        response = api.get("/v1/customers", query_string={"filter": "A_CONTAINS(tags, ('vip'))", "country": "FI", "count": "exact"})

        assert [item["given_name"] for item in response.json["data"]] == ["B"]
        assert response.json["total"] == 1

    def test_the_search_takes_it_as_json(self, api: Api) -> None:
        assert searched(api, filter=FINNS) == ["B"]
        assert searched(api, filter={"op": "not", "args": [FINNS]}, limit=1) == ["A"]
        assert searched(api) == ["A", "B", "C"]

    def test_the_search_answers_as_the_list_does(self, api: Api) -> None:
        expected = api.get("/v1/customers", query_string={"filter": "country = 'FI'", "fields": "given_name", "count": "exact"})

        response = api.post("/v1/customers/search", {"filter": FINNS, "fields": ["given_name"], "count": "exact"})

        assert response.status_code == 200
        assert response.json == expected.json
        assert list(response.json["data"][0]) == ["id", "given_name"]
        assert "Link" not in response.headers

    def test_deleted_customers_are_found_where_they_are_asked_for(self, api: Api) -> None:
        gone = customer(api, given_name="D", country="FI")
        api.delete(f"/v1/customers/{gone['id']}")

        assert searched(api, filter=FINNS) == ["B"]
        assert searched(api, filter=FINNS, deleted="include") == ["B", "D"]

    def test_a_number_is_compared_with_every_digit(self, api: Api) -> None:
        body = b'{"filter": {"op": ">", "args": [0.30000000000000004, 0.3]}}'
        equal = b'{"filter": {"op": "=", "args": [0.30000000000000000001, 0.3]}}'

        found, none = (api.post("/v1/customers/search", data=data, content_type="application/json") for data in (body, equal))

        assert len(found.json["data"]) == 3
        assert none.json["data"] == []


class TestFaults:
    def test_in_text_the_place_is_the_character(self, api: Api) -> None:
        response = api.get("/v1/customers", query_string={"filter": "country = 'CN' AND countri = 'FI'"})

        assert pointers(response) == {"query.filter": "unknown_name"}
        fault = problem(response)["errors"][0]
        assert fault["position"] == 19
        assert "`country`" in fault["detail"]

    def test_in_json_it_is_a_pointer(self, api: Api) -> None:
        response = api.post("/v1/customers/search", {"filter": {"op": "not", "args": [{"op": "=", "args": [{"property": "country"}, 5]}]}})

        assert pointers(response) == {"/filter/args/0/args/1": "wrong_type"}
        assert "position" not in problem(response)["errors"][0]

    @pytest.mark.parametrize(
        ("rule", "code"),
        [
            ("country", "syntax"),
            ("country = 'CN'; DROP TABLE customers", "syntax"),
            ("country = 'x\0'", "control_character"),
            ("attributes.tier = 'gold'", "attribute_undefined"),
            ("xid = 1", "unknown_name"),
        ],
    )
    def test_what_is_no_rule_is_422(self, api: Api, rule: str, code: str) -> None:
        response = api.get("/v1/customers", query_string={"filter": rule})

        assert pointers(response) == {"query.filter": code}

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({"filter": "country = 'CN'"}, {"/filter": "wrong_type"}),
            ({"filter": []}, {"/filter": "wrong_type"}),
            ({"filter": {}}, {"/filter": "syntax"}),
            ({"limit": 0}, {"/limit": "out_of_range"}),
            ({"fields": ["nonsense"]}, {"/fields/0": "not_a_choice"}),
            ({"fields": "given_name"}, {"/fields": "wrong_type"}),
            ({"sort": "owner"}, {"/sort": "not_a_choice"}),
            ({"q": "x"}, {"/q": "query_too_short"}),
            ({"nonsense": 1}, {"/nonsense": "unknown_field"}),
        ],
    )
    def test_a_body_that_is_no_search_is_422(self, api: Api, body: dict[str, Any], found: dict[str, str]) -> None:
        assert pointers(api.post("/v1/customers/search", body)) == found

    def test_a_number_that_nothing_holds_is_400_or_422(self, api: Api) -> None:
        statuses = {
            api.post("/v1/customers/search", data=data, content_type="application/json").status_code
            for spelt in ("1e400", "1e9999999999999999999999", "9" * 39, "9" * 5000, "NaN", "-1e400")
            if (data := b'{"filter": {"op": "=", "args": [{"property": "version"}, ' + spelt.encode() + b"]}}")
        }

        assert statuses <= {400, 422}


class TestBombs:
    @pytest.mark.parametrize(
        "rule",
        [
            "(" * 100_000,
            "(" * limits.RULE_TEXT_MAX,
            "NOT " * 2000 + "country = 'CN'",
            "country IN (" + "'x'," * 1500 + "'x')",
            "country = '" + "x" * 50_000 + "'",
            "'" * 8000,
        ],
    )
    def test_in_text_one_costs_one_422(self, api: Api, rule: str) -> None:
        # The first call of a process imports and compiles.
        api.get("/v1/customers", query_string={"filter": "("})

        began = time.thread_time()
        response = api.get("/v1/customers", query_string={"filter": rule})

        assert response.status_code == 422
        assert len(problem(response)["errors"]) == 1
        assert time.thread_time() - began < 0.05

    @pytest.mark.parametrize(
        "data",
        [
            b'{"filter": ' + b"[" * 100_000,
            b'{"filter": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"filter": ' + b'{"op": "not", "args": [' * 5000 + b"true" + b"]}" * 5000 + b"}",
            b'{"filter": ' + b'{"op": "not", "args": [' * 8 + b"true" + b"]}" * 8 + b"}",
            b'{"filter": {"op": "and", "args": [' + b"true," * 100_000 + b"true]}}",
        ],
    )
    def test_in_json_one_costs_one_400_or_422(self, api: Api, data: bytes) -> None:
        began = time.thread_time()
        response = api.post("/v1/customers/search", data=data, content_type="application/json")

        assert response.status_code in (400, 422)
        assert time.thread_time() - began < 0.05
        assert api.get("/livez").status_code == 200


class TestPages:
    def test_every_customer_is_found_once_whatever_the_pages(self, api: Api) -> None:
        ids = insert_customers(api.app, ({"country": "FI" if number % 2 else "CN"} for number in range(9)))
        found: list[str] = []
        cursor = None

        while True:
            page = api.post("/v1/customers/search", {"filter": FINNS, "limit": 2, "cursor": cursor, "sort": "created_at"}).json
            found.extend(item["id"] for item in page["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert found == ids[1::2]

    def test_a_cursor_belongs_to_its_filter(self, api: Api) -> None:
        insert_customers(api.app, ({"country": "FI"} for _ in range(3)))
        cursor = api.get("/v1/customers", query_string={"filter": "country = 'FI'", "limit": 1}).json["next_cursor"]

        same = api.get("/v1/customers", query_string={"filter": " (country='FI')", "cursor": cursor})
        other = [
            api.get("/v1/customers", query_string={"cursor": cursor}),
            api.get("/v1/customers", query_string={"filter": "country <> 'CN'", "cursor": cursor}),
            api.post("/v1/customers/search", {"filter": FINNS, "cursor": cursor}),
        ]

        assert len(same.json["data"]) == 2
        assert [problem(response)["code"] for response in other] == ["bad_cursor"] * 3

    def test_a_walk_is_one_evaluation(self, api: Api) -> None:
        # Two seconds from now the second half is older than a day.
        young = datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=1.5)
        insert_customers(api.app, ({"created_at": LONG_AGO, "source_updated_at": young} for _ in range(4)))
        query = {"filter": "days_since(source_updated_at) < 1", "limit": "2"}
        first = api.get("/v1/customers", query_string=query).json

        time.sleep(2)

        second = api.get("/v1/customers", query_string=query | {"cursor": first["next_cursor"]}).json
        assert (len(first["data"]), len(second["data"])) == (2, 2)
        assert api.get("/v1/customers", query_string=query).json["data"] == []


class TestDear:
    def test_a_rule_that_takes_too_long_is_422(self, app: Flask, database_url: str) -> None:
        insert_customers(app, ({"display_name": f"{number} " + "ab" * 120} for number in range(1500)))
        impatient = create_app(config_for(database_url, statement_timeout=0.02, lock_timeout=0.01))
        rule = " OR ".join(f"display_name LIKE '%a%b%a%b%a%{number}x'" for number in range(60))

        try:
            response = Api(impatient).get("/v1/customers", query_string={"filter": rule})
        finally:
            impatient.extensions["kehu"].database.close()

        assert response.status_code == 422
        assert problem(response)["code"] == "query_too_dear"


class TestLimits:
    def test_the_caps_of_rules_are_shown(self, api: Api) -> None:
        shown = api.get("/v1/meta/limits").json

        assert shown["rule_text_max"] == limits.RULE_TEXT_MAX
        assert {"rule_nesting_max", "rule_nodes_max", "rule_list_max", "rule_words_max"} <= set(shown)
