"""Protects imports from what others do between the look-up of a line's external id and the transaction that writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.contact_history.bulk import service as entries
from app.customers.bulk import service as customers
from tests.builders import customer, rows
from tests.client import Api
from tests.contact_history.bulk.calls import check_metrics
from tests.contact_history.bulk.calls import load as load_entries
from tests.customers.bulk.calls import load as load_customers

KEYS_AND_ROWS = """
    SELECT k.customer_id = e.customer_id AS is_below, (e.source, e.external_id) = (k.source, k.external_id) AS is_said
    FROM contact_history_keys k LEFT JOIN contact_history e ON e.id = k.entry_id
"""


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Callable[[], Any]], None]:
    """Has something done, once, as soon as `name` of `module` has looked."""

    def arrange(module: Any, name: str, others: Callable[[], Any]) -> None:
        look = getattr(module, name)
        waiting = [others]

        def looking(*args: Any, **kwargs: Any) -> Any:
            found = look(*args, **kwargs)
            if waiting:
                response = waiting.pop()()
                assert response.status_code < 300, response.get_data(as_text=True)
            return found

        monkeypatch.setattr(module, name, looking)

    return arrange


Between = Callable[[Any, str, Callable[[], Any]], None]


def line(external_id: str, owner: str, **fields: Any) -> dict[str, Any]:
    said = {"kind": "call", "occurred_at": "2026-01-01T00:00:00Z", "customer": {"source": "crm", "external_id": owner}}
    return {"external_id": external_id, **said, **fields}


class TestInteractions:
    def test_one_that_moves_away_is_brought_back_with_its_external_id(self, api: Api, between: Between) -> None:
        first, second = (customer(api, external_ids={"crm": name})["id"] for name in ("a", "b"))
        load_entries(api, line("1", "a"))
        moved = rows(api.app, "SELECT id FROM contact_history")[0].id
        patch = {"customer_id": second}
        between(entries, "find_holders", lambda: api.patch(f"/v1/contact-history/{moved}", patch, headers={"If-Match": "*"}))

        outcome = load_entries(api, line("1", "a", subject="again"), *(line(f"new-{number}", "a") for number in range(5)))

        assert outcome.counts == {"read": 6, "updated": 1, "created": 5}
        shown = api.get("/v1/contact-history/by/shop/1")
        assert (shown.status_code, shown.json["customer_id"], shown.json["subject"]) == (200, first, "again")
        assert all(row.is_below and row.is_said for row in rows(api.app, KEYS_AND_ROWS))
        check_metrics(api.app)

    def test_one_that_is_made_is_changed(self, api: Api, between: Between) -> None:
        customer(api, external_ids={"crm": "a"})
        between(entries, "find_holders", lambda: api.put("/v1/contact-history/by/shop/1", line("1", "a") | {"agent": "they"}))

        outcome = load_entries(api, line("1", "a", subject="we"))

        assert outcome.counts == {"read": 1, "updated": 1}
        found = rows(api.app, "SELECT agent, subject FROM contact_history")
        assert [tuple(row) for row in found] == [("they", "we")]

    def test_new_ones_beside_one_that_moves(self, api: Api) -> None:
        customer(api, external_ids={"crm": "a"})
        second = customer(api, external_ids={"crm": "b"})["id"]
        load_entries(api, line("1", "a"), line("2", "a"))

        outcome = load_entries(api, line("3", "a"), line("1", "b"), line("4", "b"))

        assert outcome.counts == {"read": 3, "created": 2, "updated": 1}
        found = rows(api.app, "SELECT external_id FROM contact_history WHERE customer_id = :id ORDER BY external_id", id=second)
        assert [row.external_id for row in found] == ["1", "4"]
        assert all(row.is_below and row.is_said for row in rows(api.app, KEYS_AND_ROWS))
        check_metrics(api.app)


class TestCustomers:
    def test_an_external_id_that_is_attached_and_goes_in_one_chunk(self, api: Api, between: Between) -> None:
        """That it is gone has to reach the table of external ids, though it was nobody's when it was looked up."""
        known = customer(api, external_ids={"crm": "a"})
        between(customers, "find_ids", lambda: api.patch(f"/v1/customers/{known['id']}", {"external_ids": {"erp": "5"}}))

        outcome = load_customers(
            api,
            {"source": "crm", "external_id": "a", "external_ids": {"erp": "6"}},
            {"source": "erp", "external_id": "5", "op": "delete"},
        )

        assert outcome.outcomes == ["updated", "failed"]
        keys = rows(api.app, "SELECT source, external_id, customer_id::text FROM customer_keys ORDER BY source, external_id")
        assert [tuple(row) for row in keys] == [("crm", "a", known["id"]), ("erp", "6", known["id"])]
        # It is free, and anybody may have it.
        assert api.put("/v1/customers/by/erp/5", {}).status_code == 201

    def test_one_that_is_made_is_changed(self, api: Api, between: Between) -> None:
        between(customers, "find_ids", lambda: api.put("/v1/customers/by/shop/1", {"owner": "they"}))

        outcome = load_customers(api, {"external_id": "1", "given_name": "we"})

        assert outcome.counts == {"read": 1, "updated": 1}
        found = rows(api.app, "SELECT owner, given_name FROM customers")
        assert [tuple(row) for row in found] == [("they", "we")]

    def test_one_whose_external_id_goes_elsewhere_is_left_alone(self, api: Api, between: Between) -> None:
        before = customer(api, external_ids={"shop": "1"})["id"]
        between(customers, "find_ids", lambda: api.patch(f"/v1/customers/{before}", {"external_ids": {"shop": "2"}}))

        outcome = load_customers(api, {"external_id": "1", "owner": "new"})

        assert outcome.counts == {"read": 1, "created": 1}
        assert api.get(f"/v1/customers/{before}").json["owner"] is None
        assert api.get("/v1/customers/by/shop/1").json["owner"] == "new"
