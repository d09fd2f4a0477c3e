"""Protects that a batch which is written while it is still being decided is one write all the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app.customers.bulk import queries, service
from tests.builders import rows
from tests.client import Api
from tests.customers.bulk.calls import batch


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that may be written ahead is."""
    monkeypatch.setattr(service, "_AT_ONCE", 1)


@pytest.fixture
def inserted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each statement that wrote new customers whether it ran beside the decisions."""
    found: list[bool] = []
    deciding, insert = threading.get_ident(), queries.insert_customers

    def told(*arguments: Any) -> None:
        found.append(threading.get_ident() != deciding)
        insert(*arguments)

    monkeypatch.setattr(queries, "insert_customers", told)
    return found


def _new(number: int, **data: Any) -> dict[str, Any]:
    return {"op": "upsert", "source": "shop", "external_id": f"{number}", "data": data}


def _events(api: Api) -> list[tuple[str, str]]:
    told = rows(api.app, "SELECT type, data->'after'->>'owner' AS owner FROM events WHERE type LIKE 'customer.%' ORDER BY xid, id")
    return [(row.type, row.owner) for row in told]


def _left(api: Api) -> list[Any]:
    """Whatever is there of customers."""
    told = "SELECT subject FROM events WHERE type LIKE 'customer.%'"
    return rows(api.app, f"SELECT id::text FROM customers UNION ALL SELECT external_id FROM customer_keys UNION ALL {told}")


class TestWrittenAhead:
    def test_new_ones_are_written_while_the_rest_is_decided(self, api: Api, inserted: list[bool]) -> None:
        results = batch(api, *(_new(number, owner=f"{number}") for number in range(5)))

        assert [result["status"] for result in results] == [201] * 5
        assert inserted == [True] * 4 + [False]
        assert _events(api) == [("customer.created", f"{number}") for number in range(5)]
        assert len(rows(api.app, "SELECT 1 FROM customer_keys")) == 5

    def test_once_somebody_is_changed_the_rest_waits_and_events_keep_their_order(self, api: Api, inserted: list[bool]) -> None:
        results = batch(api, _new(1, owner="a"), _new(1, owner="b"), _new(2, owner="c"), _new(3, owner="d"), _new(1, owner="e"))

        assert [result["status"] for result in results] == [201, 200, 201, 201, 200]
        assert inserted == [True, False]
        told = ["created", "updated", "created", "created", "updated"]
        assert _events(api) == [(f"customer.{kind}", owner) for kind, owner in zip(told, "abcde", strict=True)]
        assert [row.version for row in rows(api.app, "SELECT version FROM customers ORDER BY id")] == [3, 1, 1]

    def test_atomic_with_a_bad_item_at_the_end_leaves_nothing(self, api: Api) -> None:
        items = [*(_new(number) for number in range(3)), _new(9, email="nobody")]

        response = api.post("/v1/customers/batch", {"items": items}, query_string={"atomic": "true"})

        assert response.status_code == 422
        assert _left(api) == []

    def test_a_key_taken_meanwhile_is_met_by_the_next_try(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        first = True
        claim = queries.claim_keys

        def late(*arguments: Any) -> int:
            nonlocal first
            if first:
                first = False
                assert api.put("/v1/customers/by/shop/2", {"owner": "faster"}).status_code == 201
            return claim(*arguments)

        monkeypatch.setattr(queries, "claim_keys", late)

        results = batch(api, *(_new(number, owner="slower") for number in (1, 2, 3)))

        assert [result["status"] for result in results] == [201, 200, 201]
        assert len(rows(api.app, "SELECT 1 FROM customers")) == 3

    def test_what_fails_while_it_is_written_fails_the_batch(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("the disk is on fire")

        monkeypatch.setattr(queries, "insert_customers", fail)

        response = api.post("/v1/customers/batch", {"items": [_new(number) for number in range(3)]})

        assert response.status_code == 500
        assert _left(api) == []
