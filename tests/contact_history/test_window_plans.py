"""Protects the speed of contact_count and order_total: a page stops when it is full, and a count reads the history once."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.builders import execute, insert_customers
from tests.client import Api
from tests.contact_history.test_plans import analysed, nodes

CUSTOMERS, ENTRIES = 2_000, 10


@pytest.fixture(autouse=True)
def many(app: Flask) -> None:
    """Customers with ten orders each, all of them within the last days."""
    insert_customers(app, ({} for _ in range(CUSTOMERS)))
    execute(
        app,
        "INSERT INTO contact_history (id, customer_id, kind, occurred_at, amount, currency, version, created_at, updated_at, search_text, "
        "search_grams, xid) "
        "SELECT gen_random_uuid(), id, 'order', now() - number * interval '1 hour', 1, 'CNY', 1, now(), now(), '', '{}', '3' "
        "FROM customers, generate_series(1, :entries) AS number",
        entries=ENTRIES,
    )
    execute(app, "UPDATE customers SET contact_count = 10, order_count = 10, last_contact_at = now(), last_order_at = now()")
    execute(app, "VACUUM (ANALYZE) contact_history, customers")


def read(plan: dict[str, Any]) -> int:
    """How many interactions all parts of the plan together gave or threw away."""
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "contact_history"]
    return sum(int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]) for node in scans)


def asked(api: Api, rule: str, **query: str) -> tuple[list[dict[str, Any]], Any]:
    with analysed(api.app) as plans:
        response = api.get("/v1/customers", query_string={"filter": rule, "limit": "10"} | query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return plans, response.json


RULES = ["contact_count('order', 30) >= 2", "order_total('CNY', 30) > 5", "contact_count('order', 30) >= 1"]


class TestPlans:
    @pytest.mark.parametrize("rule", [*RULES, "NOT order_total('CNY', 30) < 5"])
    def test_a_page_reads_the_history_of_those_on_it(self, api: Api, rule: str) -> None:
        (plan,), page = asked(api, rule)

        assert len(page["data"]) == 10
        assert read(plan) < CUSTOMERS

    @pytest.mark.parametrize("rule", RULES)
    def test_a_count_by_nothing_else_reads_each_interaction_once(self, api: Api, rule: str) -> None:
        (_, counted), page = asked(api, rule, count="exact")

        assert page["total"] == CUSTOMERS
        assert read(counted) <= CUSTOMERS * ENTRIES

    @pytest.mark.parametrize("rule", [*RULES, "contact_count('order', 30) <> 10", "NOT contact_count('return', 30) > 1"])
    def test_a_count_that_is_narrowed_reads_the_history_of_those_who_are_left(self, api: Api, rule: str) -> None:
        execute(api.app, "UPDATE customers SET country = 'FI' WHERE id IN (SELECT id FROM customers LIMIT 5)")

        (_, counted), _ = asked(api, f"country = 'FI' AND {rule}", count="exact")

        assert read(counted) <= 2 * 5 * ENTRIES
