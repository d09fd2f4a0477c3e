"""Protects contact_count and order_total in rules: what counts is living, of the kind and in the days; what cannot be is 422."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import customer, entry
from tests.client import Api, pointers, problem


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def found(api: Api, rule: str) -> list[str]:
    """The given names on the page."""
    response = api.get("/v1/customers", query_string={"filter": rule, "sort": "created_at"})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["given_name"] for item in response.json["data"]]


@pytest.fixture
def three(api: Api) -> None:
    """A has called twice and ordered twice, B ordered long ago, in two currencies, and C never did anything."""
    first, second, _ = (customer(api, given_name=name)["id"] for name in "ABC")
    entry(api, first, kind="call", occurred_at=days_ago(2))
    entry(api, first, kind="call", occurred_at=days_ago(40))
    entry(api, first, kind="order", occurred_at=days_ago(3), amount="0.10", currency="CNY")
    entry(api, first, kind="order", occurred_at=days_ago(-0.5), amount="0.20", currency="CNY")
    entry(api, second, kind="order", occurred_at=days_ago(400), amount="1000", currency="CNY")
    entry(api, second, kind="order", occurred_at=days_ago(1), amount="5", currency="USD")


@pytest.mark.usefixtures("three")
class TestFound:
    @pytest.mark.parametrize(
        ("rule", "names"),
        [
            ("contact_count('call', 30) = 1", ["A"]),
            ("contact_count('call', 41) >= 2", ["A"]),
            ("contact_count('call', 30) = 0", ["B", "C"]),
            ("NOT contact_count('call', 30) < 1", ["A"]),
            ("contact_count('order', 1) > 0", ["A"]),
            ("contact_count('order', 2) > 0", ["A", "B"]),
            ("contact_count('fax', 36500) <= 0", ["A", "B", "C"]),
            ("contact_count('order', 500) > 99999999999999999999999", []),
            ("contact_count('order', 500) < 99999999999999999999999", ["A", "B", "C"]),
            ("order_total('CNY', 30) = 0.3", ["A"]),
            ("order_total('CNY', 30) < 0.3", ["B", "C"]),
            ("order_total('CNY', 401) IN (0.3, 1000)", ["A", "B"]),
            ("order_total('USD', 30) BETWEEN 0 AND 5", ["A", "B", "C"]),
            ("order_total('CNY', 401) > order_total('USD', 401)", ["A", "B"]),
            ("contact_count('order', 30) = contact_count('call', 30)", ["C"]),
            ("order_total('EUR', 9) IS NULL", []),
        ],
    )
    def test_whoever_did_it_so_often_in_these_days(self, api: Api, rule: str, names: list[str]) -> None:
        assert found(api, rule) == names

    def test_what_is_withdrawn_counts_no_more_and_what_is_restored_counts_again(self, api: Api) -> None:
        (call,) = api.get("/v1/contact-history?kind=call&limit=1").json["data"]

        api.delete(f"/v1/contact-history/{call['id']}")
        without = found(api, "contact_count('call', 30) > 0")
        api.post(f"/v1/contact-history/{call['id']}/restore")

        assert (without, found(api, "contact_count('call', 30) > 0")) == ([], ["A"])


class TestFaults:
    @pytest.mark.parametrize(
        ("rule", "code", "position"),
        [
            ("contact_count('Order', 30) > 1", "wrong_shape", 14),
            ("contact_count(owner, 30) > 1", "wrong_type", 14),
            ("contact_count('order', 0) > 1", "out_of_range", 23),
            ("contact_count('order', 36501) > 1", "out_of_range", 23),
            ("contact_count('order', -1) > 1", "out_of_range", 23),
            ("contact_count('order', 1.5) > 1", "wrong_type", 23),
            ("contact_count('order', '30') > 1", "wrong_type", 23),
            ("contact_count('order', version) > 1", "wrong_type", 23),
            ("contact_count('order') > 1", "wrong_count", 0),
            ("contact_count('order', 30) > 'many'", "wrong_type", 29),
            ("contact_count('order', 30)", "wrong_type", 0),
            ("order_total('cny', 30) > 1", "unknown_currency", 12),
            ("order_total('XYZ', 30) > 1", "unknown_currency", 12),
            ("order_totals('CNY', 30) > 1", "unknown_function", 0),
        ],
    )
    def test_what_cannot_be_is_422_at_its_place(self, api: Api, rule: str, code: str, position: int) -> None:
        response = api.get("/v1/customers", query_string={"filter": rule})

        assert pointers(response) == {"query.filter": code}
        assert problem(response)["errors"][0]["position"] == position

    def test_a_currency_in_small_letters_is_told_its_large_ones(self, api: Api) -> None:
        response = api.get("/v1/customers", query_string={"filter": "order_total('cny', 30) > 1"})

        assert "`CNY`" in problem(response)["errors"][0]["detail"]


class TestShown:
    def test_both_are_listed_with_their_parameters(self, api: Api) -> None:
        listed = {item["name"]: item for item in api.get("/v1/attributes").json["data"]}

        assert listed["contact_count"]["type"] == "integer"
        assert listed["order_total"]["type"] == "number"
        assert [one["name"] for one in listed["order_total"]["parameters"]] == ["currency", "days"]


class TestTotals:
    @pytest.mark.usefixtures("three")
    @pytest.mark.parametrize(
        "rule",
        [
            "contact_count('order', 500) >= 2",
            "contact_count('order', 500) < 2",
            "contact_count('call', 30) >= 1",
            "order_total('CNY', 500) > 0.2",
            "NOT order_total('CNY', 500) > 0.3 AND contact_count('order', 500) <> 1",
            "given_name <> 'A' AND contact_count('order', 500) = 2",
        ],
    )
    def test_the_total_is_what_the_list_shows_however_it_is_narrowed(self, api: Api, rule: str) -> None:
        for further in ({}, {"status": "active"}):
            page = api.get("/v1/customers", query_string={"filter": rule, "count": "exact"} | further).json

            assert page["total"] == len(page["data"])
