"""Protects imports of interactions: what is sent again changes nothing, and what is sent ahead of its turn is decided by what is there."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import customer, events, metrics, rows
from tests.client import Api, problem
from tests.contact_history.bulk.calls import check_metrics, load, send
from tests.customers.bulk.calls import NDJSON, ndjson
from tests.tokens.test_look_up import statements


def order(external_id: int, owner: str, **fields: Any) -> dict[str, Any]:
    return {
        "external_id": str(external_id),
        "customer": {"source": "crm", "external_id": owner},
        "kind": "order",
        "occurred_at": "2024-01-01T00:00:00Z",
        "amount": "1.10",
        "currency": "EUR",
    } | fields


def purchases(count: int) -> list[tuple[str, date, str]]:
    """Of a music shop, by customer: who, when, dollars. Some are equal in full, as in real files."""
    dice = random.Random(7)
    people = sorted(f"{dice.randrange(count // 3):05}" for _ in range(count))
    return [(person, date(1997, 1, 1) + timedelta(days=dice.randrange(9)), dice.choice(["11.77", "12.00", "0.00"])) for person in people]


class TestOrders:
    def test_every_line_is_an_order_and_the_same_file_again_is_nothing(self, api: Api) -> None:
        bought = purchases(3000)
        assert len(set(bought)) < len(bought)
        lines = [
            order(number, person, occurred_at=f"{day}T00:00:00Z", amount=dollars, currency="USD")
            for number, (person, day, dollars) in enumerate(bought)
        ]

        first = load(api, *lines, create_missing="true", report="errors")
        told = len(events(api.app))
        again = load(api, *lines, create_missing="true", report="errors")

        assert (first.counts, again.counts) == ({"read": 3000, "created": 3000}, {"read": 3000, "unchanged": 3000})
        assert len(events(api.app)) == told
        expected: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
        for person, day, dollars in bought:
            expected[person].append((day, Decimal(dollars)))
        found = {
            row.external_ids["crm"]: (row.order_count, Decimal(row.order_total["USD"]), row.first_order_at.date(), row.last_order_at.date())
            for row in rows(api.app, "SELECT * FROM customers")
        }
        assert found == {
            person: (len(orders), sum(dollars for _, dollars in orders), min(orders)[0], max(orders)[0])
            for person, orders in expected.items()
        }
        check_metrics(api.app)

    def test_lines_that_are_unchanged_are_not_read(self, api: Api) -> None:
        lines = [order(number, str(number % 7)) for number in range(50)]
        load(api, *lines, create_missing="true")

        with statements(api.app, about="") as asked:
            again = load(api, *lines, create_missing="true")

        assert again.outcomes == ["unchanged"] * 50
        # The token, the external ids, the interactions, and those of the customers.
        assert len(asked) <= 4


class TestUnchanged:
    @pytest.fixture(autouse=True)
    def _sent_before(self, api: Api) -> None:
        for key in ("1", "2"):
            customer(api, external_ids={"crm": key})
        load(api, order(1, "1"))
        self.path = "/v1/contact-history/by/shop/1"

    def test_whatever_else_changed_it_is_undone(self, api: Api) -> None:
        api.put(self.path, {"amount": "9"})

        again = load(api, order(1, "1"))

        assert (again.outcomes, api.get(self.path).json["amount"]) == (["updated"], "1.10")

    def test_of_a_withdrawn_one_or_a_deleted_customer_it_is_410(self, api: Api) -> None:
        owner = api.get("/v1/customers/by/crm/1").json["id"]
        api.delete(f"/v1/customers/{owner}")
        hidden = load(api, order(1, "1"))
        api.post(f"/v1/customers/{owner}/restore")
        api.delete(f"/v1/contact-history/{api.get(self.path).json['id']}")
        withdrawn = load(api, order(1, "1"))
        restored = load(api, order(1, "1"), deleted="restore")

        codes = [result["problem"]["code"] for result in (*hidden.results, *withdrawn.results)]
        assert codes == ["customer_deleted", "contact_history_deleted"]
        assert restored.outcomes == ["updated"]

    def test_a_customer_who_took_over_the_id_takes_over_the_interaction(self, api: Api) -> None:
        other = api.get("/v1/customers/by/crm/2").json["id"]
        api.delete("/v1/customers/by/crm/1")
        api.patch(f"/v1/customers/{other}", {"external_ids": {"crm": "1"}})

        again = load(api, order(1, "1"))

        assert (again.outcomes, metrics(api, other)["order_count"]) == (["updated"], 1)
        check_metrics(api.app)

    def test_a_line_that_follows_another_of_the_same_is_looked_at(self, api: Api) -> None:
        sent = load(api, order(1, "1", amount="2"), order(1, "1"), order(1, "1"))

        assert sent.outcomes == ["updated", "updated", "unchanged"]
        assert api.get(self.path).json["amount"] == "1.10"


class TestStreams:
    def test_a_dry_run_tells_and_writes_nothing(self, api: Api) -> None:
        told = load(api, order(1, "1"), order(2, "1", kind=None), create_missing="true", dry_run="true")

        assert told.outcomes == ["created", "failed"]
        assert events(api.app) == []

    def test_csv_names_the_customer_in_columns(self, api: Api) -> None:
        text = io.StringIO()
        names = ["external_id", "customer.source", "customer.external_id", "kind", "amount", "currency", "attributes.cds"]
        csv.writer(text).writerows([names, ["1", "crm", "7", "order", "5", "EUR", "3"], ["2", "crm", "7", "call", "", "", ""]])

        sent = send(api, text.getvalue().encode(), kind="text/csv", source="shop", create_missing="true")

        assert sent.outcomes == ["created", "created"]
        shown = api.get("/v1/contact-history/by/shop/1").json
        assert (shown["amount"], shown["attributes"]) == ("5.00", {"cds": "3"})
        assert api.get("/v1/customers/by/crm/7").json["metrics"]["contact_count"] == 2

    def test_gzip(self, api: Api) -> None:
        body = gzip.compress(ndjson([order(1, "1")]))
        headers = {"Content-Encoding": "gzip"}

        path = "/v1/contact-history/import?source=shop&create_missing=true"
        response = api.post(path, data=body, content_type=NDJSON, headers=headers)

        assert b'"created":1,' in response.get_data()

    def test_it_takes_the_scope_to_make_customers(self, api: Api) -> None:
        writer = api.with_scopes("history:write")

        response = writer.post("/v1/contact-history/import?create_missing=true", data=b"", content_type=NDJSON)

        assert (response.status_code, problem(response)["scope"]) == (403, "customers:write")


class TestChunks:
    """A chunk is decided while the one before it is being written."""

    def test_a_chunk_meets_what_the_one_before_has_written(self, api: Api) -> None:
        # The same customers, unknown before, and the same interactions in every chunk.
        lines = [order(number % 1500, str(number % 40), amount=f"{number}") for number in range(6000)]

        sent = load(api, *lines, create_missing="true", report="errors")

        assert sent.counts == {"read": 6000, "created": 1500, "updated": 4500}
        assert rows(api.app, "SELECT count(*) FROM customers")[0][0] == 40
        assert {row.amount for row in rows(api.app, "SELECT amount FROM contact_history")} == set(range(4500, 6000))
        check_metrics(api.app)

    def test_a_chunk_that_shares_no_more_than_customers_stands(self, api: Api) -> None:
        for key in range(5):
            customer(api, external_ids={"crm": str(key)})

        sent = load(api, *(order(number, str(number % 5)) for number in range(5000)), report="errors")

        assert sent.counts == {"read": 5000, "created": 5000}
        check_metrics(api.app)
