"""Protects rules about interactions over HTTP: list, timeline, search and export find the same, and faults say where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builders import customer, entry, whole_entry
from tests.client import Api, pointers, problem

CALLS = {"op": "=", "args": [{"property": "kind"}, "call"]}


@pytest.fixture
def owner(api: Api) -> str:
    """Whose are a call, an order and a note, beside a call of somebody else."""
    owner, other = (str(customer(api)["id"]) for _ in range(2))
    entry(api, owner, subject="A", kind="call", duration_seconds=90, occurred_at="2025-01-01T00:00:00Z")
    entry(api, owner, **whole_entry(subject="B", amount="0.30", occurred_at="2025-01-02T00:00:00Z"))
    entry(api, owner, subject="C", occurred_at="2025-01-03T00:00:00Z")
    entry(api, other, subject="D", kind="call", occurred_at="2025-01-04T00:00:00Z")
    return owner


def subjects(response: Any) -> list[str]:
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["subject"] for item in response.json["data"]]


def listed(api: Api, rule: str, address: str = "/v1/contact-history") -> list[str]:
    return subjects(api.get(address, query_string={"filter": rule, "sort": "occurred_at"}))


def searched(api: Api, **body: Any) -> list[str]:
    return subjects(api.post("/v1/contact-history/search", {"sort": "occurred_at"} | body))


class TestFound:
    @pytest.mark.usefixtures("owner")
    @pytest.mark.parametrize(
        ("rule", "found"),
        [
            ("kind = 'call'", ["A", "D"]),
            ("kind <> 'call'", ["B", "C"]),
            ("duration_seconds > 60 AND direction IS NULL", ["A"]),
            ("amount = 0.3", ["B"]),
            ("NOT amount > 0.3", ["A", "B", "C", "D"]),
            ("amount < 0.3000000000000001 AND currency = 'CNY'", ["B"]),
            ("occurred_at BETWEEN TIMESTAMP('2025-01-02T00:00:00Z') AND TIMESTAMP('2025-01-03T00:00:00Z')", ["B", "C"]),
            ("day(occurred_at) = 4", ["D"]),
            ("body LIKE '%second.'", ["B"]),
            ("CASEI(agent) = CASEI('ANNA@kehu.example')", ["B"]),
            ("source = 'shopify' AND external_id LIKE 'gid://%'", ["B"]),
            ("days_since(created_at) < 1 AND version = 1", ["A", "B", "C", "D"]),
            ("deleted_at IS NOT NULL", []),
        ],
    )
    def test_the_list_takes_a_rule_as_text(self, api: Api, rule: str, found: list[str]) -> None:
        assert listed(api, rule) == found

    def test_the_timeline_takes_it_too(self, api: Api, owner: str) -> None:
        address = f"/v1/customers/{owner}/contact-history"

        response = api.get(address, query_string={"filter": "kind = 'call'", "count": "exact"})

        assert subjects(response) == ["A"]
        assert response.json["total"] == 1
        assert listed(api, f"customer_id = '{owner}'") == listed(api, "TRUE", address) == ["A", "B", "C"]

    def test_the_export_takes_it_too(self, api: Api, owner: str) -> None:
        query = {"filter": "kind = 'call'", "customer_id": owner, "fields": "subject"}

        response = api.get("/v1/contact-history/export", query_string=query, headers={"Accept": "application/x-ndjson"})

        assert [json.loads(line)["subject"] for line in response.get_data().splitlines()] == ["A"]

    @pytest.mark.usefixtures("owner")
    def test_the_search_answers_as_the_list_does(self, api: Api) -> None:
        query = {"filter": "kind = 'call'", "fields": "subject", "count": "exact"}
        expected = api.get("/v1/contact-history", query_string=query)

        response = api.post("/v1/contact-history/search", {"filter": CALLS, "fields": ["subject"], "count": "exact"})

        assert response.json == expected.json
        assert list(response.json["data"][0]) == ["id", "subject"]
        assert response.json["total"] == 2
        assert "Link" not in response.headers

    @pytest.mark.usefixtures("owner")
    def test_the_search_narrows_by_q_and_shows_what_was_withdrawn(self, api: Api) -> None:
        gone = searched(api, deleted="only")
        (last,) = api.get("/v1/contact-history?limit=1").json["data"]
        api.delete(f"/v1/contact-history/{last['id']}")

        assert (gone, searched(api, deleted="only", filter=CALLS)) == ([], ["D"])
        assert searched(api, q="second") == ["B"]
        assert searched(api) == ["A", "B", "C"]

    def test_interactions_of_a_deleted_customer_are_not_found(self, api: Api, owner: str) -> None:
        api.delete(f"/v1/customers/{owner}")

        assert listed(api, "kind = 'call'") == searched(api, filter=CALLS) == ["D"]


@pytest.mark.usefixtures("owner")
class TestPages:
    def test_every_interaction_is_found_once_whatever_the_pages(self, api: Api) -> None:
        rule = {"op": "<>", "args": [{"property": "kind"}, "order"]}
        found, cursor = [], None

        while True:
            page = api.post("/v1/contact-history/search", {"filter": rule, "limit": 1, "cursor": cursor}).json
            found += [item["subject"] for item in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert found == ["D", "C", "A"]

    def test_a_cursor_belongs_to_its_filter(self, api: Api) -> None:
        cursor = api.get("/v1/contact-history", query_string={"filter": "kind = 'call'", "limit": 1}).json["next_cursor"]

        same = api.get("/v1/contact-history", query_string={"filter": "(kind='call')", "cursor": cursor})
        other = api.get("/v1/contact-history", query_string={"filter": "kind = 'note'", "cursor": cursor})

        assert subjects(same) == ["A"]
        assert problem(other)["code"] == "bad_cursor"


class TestFaults:
    @pytest.mark.parametrize(
        ("rule", "code", "position"),
        [
            ("kind = 'call' AND occured_at < now()", "unknown_name", 18),
            ("direction = 'in'", "not_a_choice", 12),
            ("amount = '5'", "wrong_type", 9),
            ("email = 'a@x.example'", "unknown_name", 0),
            ("metrics.order_count = 1", "unknown_name", 0),
            ("attributes.coupon = 'SPRING'", "unknown_name", 0),
            ("contact_count('call', 30) > 1", "unknown_function", 0),
            ("search_text = 'x'", "unknown_name", 0),
            ("kind = ", "syntax", 7),
        ],
    )
    def test_in_text_the_place_is_the_character(self, api: Api, rule: str, code: str, position: int) -> None:
        response = api.get("/v1/contact-history", query_string={"filter": rule})

        assert pointers(response) == {"query.filter": code}
        assert problem(response)["errors"][0]["position"] == position

    def test_an_attribute_says_why_there_is_none(self, api: Api) -> None:
        response = api.get("/v1/contact-history", query_string={"filter": "attributes.coupon = 'SPRING'"})

        assert "have no type" in problem(response)["errors"][0]["detail"]

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({"filter": {"op": "=", "args": [{"property": "kind"}, 5]}}, {"/filter/args/1": "wrong_type"}),
            ({"filter": "kind = 'call'"}, {"/filter": "wrong_type"}),
            ({"sort": "kind"}, {"/sort": "not_a_choice"}),
            ({"fields": ["nonsense"]}, {"/fields/0": "not_a_choice"}),
            ({"deleted": "include"}, {"/deleted": "not_a_choice"}),
            ({"limit": 201}, {"/limit": "out_of_range"}),
            ({"customer_id": None}, {"/customer_id": "unknown_field"}),
        ],
    )
    def test_a_body_that_is_no_search_is_422(self, api: Api, body: dict[str, Any], found: dict[str, str]) -> None:
        assert pointers(api.post("/v1/contact-history/search", body)) == found

    def test_a_rule_of_an_export_is_refused_before_it_begins(self, api: Api) -> None:
        response = api.get("/v1/contact-history/export", query_string={"filter": "kinds = 'call'"})

        assert pointers(response) == {"query.filter": "unknown_name"}

    def test_the_timeline_of_nobody_is_404_and_a_bad_rule_422_before_that(self, api: Api) -> None:
        address = "/v1/customers/01890000-0000-7000-8000-000000000000/contact-history"

        statuses = [api.get(address, query_string={"filter": rule}).status_code for rule in ("TRUE", "kinds = 'call'")]

        assert statuses == [404, 422]
