"""Protects `kehu metrics`: it finds whatever is not true, says which, and puts it right as a change that the feed tells of."""

from __future__ import annotations

import pytest

from tests.builders import customer, entry, execute, metrics, rows
from tests.client import Api
from tests.tokens.test_cli import kehu


@pytest.fixture
def owner(api: Api) -> str:
    """A customer with an order, beside a deleted one with another and one with none."""
    gone = customer(api)["id"]
    entry(api, gone, kind="order", amount="5", currency="EUR")
    api.delete(f"/v1/customers/{gone}")
    customer(api)
    found = str(customer(api)["id"])
    entry(api, found, kind="order", direction="inbound", amount="12.50", currency="EUR", occurred_at="2024-01-01T00:00:00Z")
    return found


SPOILT = {
    "contact_count": "contact_count = 2",
    "first_contact_at": "first_contact_at = '2023-01-01'",
    "last_contact_at": "last_contact_at = NULL",
    "last_inbound_at": "last_inbound_at = '2024-01-01T00:00:00.000001Z'",
    "last_outbound_at": "last_outbound_at = '2024-01-01'",
    "order_count": "order_count = 0",
    "order_total": """order_total = '{"EUR": "12.51"}'""",
    "first_order_at": "first_order_at = NULL",
    "last_order_at": "last_order_at = '2025-01-01'",
}


class TestVerify:
    def test_true_metrics_are_status_0(self, api: Api, owner: str, database_url: str) -> None:
        result = kehu(database_url, "metrics", "verify")

        assert (result.exit_code, result.stdout) == (0, "3 customers counted, 0 with metrics that differ.\n")

    @pytest.mark.parametrize("name", SPOILT)
    def test_each_metric_that_differs_is_named_and_status_1(self, api: Api, owner: str, database_url: str, name: str) -> None:
        execute(api.app, f"UPDATE customers SET {SPOILT[name].replace(':', chr(92) + ':')} WHERE id = '{owner}'")

        result = kehu(database_url, "metrics", "verify")

        line, last = result.stdout.splitlines()
        assert result.exit_code == 1
        assert line.startswith(f"{owner}  {name}  stored ")
        assert last == "3 customers counted, 1 with metrics that differ."

    def test_an_interaction_that_nobody_counted_is_noticed(self, api: Api, owner: str, database_url: str) -> None:
        execute(api.app, f"UPDATE contact_history SET amount = 13 WHERE customer_id = '{owner}'")

        result = kehu(database_url, "metrics", "verify")

        assert result.exit_code == 1
        assert "order_total  stored {'EUR': '12.50'}  counted {'EUR': '13.00'}" in result.stdout

    def test_more_customers_than_a_page_are_all_counted(
        self, api: Api, owner: str, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.cli.metrics._PAGE", 1)
        execute(api.app, "UPDATE customers SET contact_count = 7")

        result = kehu(database_url, "metrics", "verify")

        assert result.stdout.splitlines()[-1] == "3 customers counted, 3 with metrics that differ."

    def test_a_database_that_does_not_answer_is_said_in_a_sentence(self) -> None:
        result = kehu("postgresql://kehu@127.0.0.1:1/kehu", "metrics", "verify")

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: The database cannot be used")


class TestRebuild:
    def test_what_differs_is_put_right_and_told(self, api: Api, owner: str, database_url: str) -> None:
        before = metrics(api, owner)
        execute(api.app, "UPDATE customers SET contact_count = 9, order_total = '{}', last_order_at = NULL")

        result = kehu(database_url, "metrics", "rebuild")

        assert (result.exit_code, result.stdout) == (0, "3 customers counted, 3 rebuilt.\n")
        assert metrics(api, owner) == before
        assert kehu(database_url, "metrics", "verify").exit_code == 0
        found = f"FROM events WHERE subject = 'customers/{owner}' ORDER BY xid DESC, id DESC LIMIT 1"
        told = rows(api.app, f"SELECT actor::json AS actor, data::json AS data {found}")[0]
        assert told.actor == {"type": "command_line", "id": None, "name": "kehu metrics rebuild"}
        assert told.data["after"]["metrics_version"] == 2
        assert api.get(f"/v1/customers/{owner}").headers["ETag"] == '"1.2"'

    def test_what_is_true_is_left_alone(self, api: Api, owner: str, database_url: str) -> None:
        before = rows(api.app, "SELECT count(*) FROM events")

        result = kehu(database_url, "metrics", "rebuild")

        assert result.stdout == "3 customers counted, 0 rebuilt.\n"
        assert rows(api.app, "SELECT count(*) FROM events") == before
