"""Protects the metrics of a customer: true with every interaction, its correction, withdrawal and return, and told in the feed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import EMPTY_METRICS, customer, entry, events, metrics, rows
from tests.client import Api


def day(number: int) -> str:
    return f"2024-01-{number:02}T00:00:00Z"


def order(api: Api, customer_id: str, on: int, amount: str | None = "10.00", **fields: Any) -> dict[str, Any]:
    said = {"kind": "order", "occurred_at": day(on), "amount": amount, "currency": "EUR"}
    return entry(api, customer_id, **said | fields)


def told(api: Api, customer_id: str) -> list[dict[str, Any]]:
    """The data of the customer's metrics events, oldest first."""
    page = api.get(f"/v1/changes?types=customer.metrics_changed&subject=customers/{customer_id}&limit=1000").json
    return [event["data"] for event in page["data"]]


@pytest.fixture
def owner(api: Api) -> str:
    return str(customer(api)["id"])


class TestAppend:
    def test_the_first_interaction_is_first_and_last(self, api: Api, owner: str) -> None:
        entry(api, owner, kind="call", direction="inbound", occurred_at=day(5))

        assert metrics(api, owner) == EMPTY_METRICS | {
            "contact_count": 1,
            "first_contact_at": day(5),
            "last_contact_at": day(5),
            "last_inbound_at": day(5),
        }

    def test_history_may_be_filled_in_backwards(self, api: Api, owner: str) -> None:
        for number in (9, 3, 6):
            entry(api, owner, direction="outbound", occurred_at=day(number))
            order(api, owner, number + 1, direction="inbound")

        assert metrics(api, owner) == {
            "contact_count": 6,
            "first_contact_at": day(3),
            "last_contact_at": day(10),
            "last_inbound_at": day(10),
            "last_outbound_at": day(9),
            "order_count": 3,
            "order_total": {"EUR": "30.00"},
            "first_order_at": day(4),
            "last_order_at": day(10),
        }

    def test_totals_are_exact_a_currency_each(self, api: Api, owner: str) -> None:
        # In binary floats 0.1 + 0.2 is not 0.3.
        for amount, currency in (("0.1", "EUR"), ("0.2", "EUR"), ("999999999999999.99", "CNY"), ("0.005", "CNY"), ("7", "JPY")):
            order(api, owner, 1, amount, currency=currency)

        assert metrics(api, owner)["order_total"] == {"EUR": "0.30", "CNY": "999999999999999.995", "JPY": "7"}

    def test_a_return_does_not_lower_the_total(self, api: Api, owner: str) -> None:
        order(api, owner, 1)
        order(api, owner, 2, kind="return")
        order(api, owner, 3, "-4.00")

        assert metrics(api, owner)["order_total"] == {"EUR": "6.00"}
        assert metrics(api, owner)["order_count"] == 2

    def test_an_order_without_an_amount_counts_and_totals_nothing(self, api: Api, owner: str) -> None:
        order(api, owner, 1, None)

        assert (metrics(api, owner)["order_count"], metrics(api, owner)["order_total"]) == (1, {})

    def test_an_order_of_nothing_has_a_total_of_nothing(self, api: Api, owner: str) -> None:
        order(api, owner, 1, "0")

        assert metrics(api, owner)["order_total"] == {"EUR": "0.00"}

    def test_what_is_internal_is_a_contact_of_no_direction(self, api: Api, owner: str) -> None:
        entry(api, owner, direction="internal")

        assert (metrics(api, owner)["last_inbound_at"], metrics(api, owner)["last_outbound_at"]) == (None, None)


class TestLoss:
    def test_what_a_first_and_a_last_time_lose_is_found_again(self, api: Api, owner: str) -> None:
        made = [order(api, owner, number, direction="inbound") for number in (1, 2, 3, 4)]
        api.delete(f"/v1/contact-history/{made[0]['id']}")
        api.delete(f"/v1/contact-history/{made[3]['id']}")

        assert metrics(api, owner) == {
            "contact_count": 2,
            "first_contact_at": day(2),
            "last_contact_at": day(3),
            "last_inbound_at": day(3),
            "last_outbound_at": None,
            "order_count": 2,
            "order_total": {"EUR": "20.00"},
            "first_order_at": day(2),
            "last_order_at": day(3),
        }

    def test_of_two_at_one_moment_one_is_left(self, api: Api, owner: str) -> None:
        made = [entry(api, owner, direction="inbound", occurred_at=day(1)) for _ in range(2)]

        api.delete(f"/v1/contact-history/{made[0]['id']}")

        assert metrics(api, owner)["last_inbound_at"] == day(1)

    def test_the_last_one_leaves_nothing(self, api: Api, owner: str) -> None:
        made = order(api, owner, 1, direction="outbound")

        api.delete(f"/v1/contact-history/{made['id']}")

        assert metrics(api, owner) == EMPTY_METRICS

    @pytest.mark.parametrize(("left", "total"), [("0.00", {"EUR": "0.00"}), (None, {})])
    def test_a_total_of_zero_stays_while_an_order_is_left(self, api: Api, owner: str, left: str | None, total: dict[str, str]) -> None:
        order(api, owner, 1, left)
        made = order(api, owner, 2)

        api.delete(f"/v1/contact-history/{made['id']}")

        assert metrics(api, owner)["order_total"] == total

    def test_a_restore_brings_it_back(self, api: Api, owner: str) -> None:
        made = order(api, owner, 1, direction="inbound")
        before = metrics(api, owner)
        api.delete(f"/v1/contact-history/{made['id']}")

        api.post(f"/v1/contact-history/{made['id']}/restore")

        assert metrics(api, owner) == before


class TestCorrection:
    @pytest.mark.parametrize(
        ("patch", "changed"),
        [
            ({"kind": "call"}, {"order_count": 1, "order_total": {"EUR": "10.00"}, "last_order_at": day(2)}),
            ({"amount": "1.5"}, {"order_total": {"EUR": "11.50"}}),
            ({"amount": None}, {"order_total": {"EUR": "10.00"}}),
            ({"currency": "JPY"}, {"order_total": {"EUR": "10.00", "JPY": "10"}}),
            ({"direction": "outbound"}, {"last_inbound_at": day(2), "last_outbound_at": day(4)}),
            ({"direction": None}, {"last_inbound_at": day(2)}),
            (
                {"occurred_at": day(1)},
                {
                    "first_contact_at": day(1),
                    "last_contact_at": day(2),
                    "last_inbound_at": day(2),
                    "first_order_at": day(1),
                    "last_order_at": day(2),
                },
            ),
            ({"occurred_at": day(3)}, {"last_contact_at": day(3), "last_inbound_at": day(3), "last_order_at": day(3)}),
            ({"occurred_at": day(5)}, {"last_contact_at": day(5), "last_inbound_at": day(5), "last_order_at": day(5)}),
        ],
    )
    def test_what_is_corrected_counts_as_corrected(self, api: Api, owner: str, patch: dict[str, Any], changed: dict[str, Any]) -> None:
        order(api, owner, 2, direction="inbound")
        made = order(api, owner, 4, direction="inbound")
        before = metrics(api, owner)

        response = api.patch(f"/v1/contact-history/{made['id']}", patch)

        assert response.status_code == 200
        assert metrics(api, owner) == before | changed

    @pytest.mark.parametrize("patch", [{"subject": "x"}, {"channel": "web"}, {"outcome": "x", "attributes": {"a": 1}}])
    def test_what_counts_for_nothing_leaves_the_customer_alone(self, api: Api, owner: str, patch: dict[str, Any]) -> None:
        made = order(api, owner, 1)
        before = api.get(f"/v1/customers/{owner}")

        api.patch(f"/v1/contact-history/{made['id']}", patch)

        assert api.get(f"/v1/customers/{owner}").headers["ETag"] == before.headers["ETag"]
        assert events(api.app)[-1] == "contact_history.updated"

    def test_a_move_takes_it_from_the_one_and_gives_it_to_the_other(self, api: Api, owner: str) -> None:
        other = customer(api)["id"]
        made = order(api, owner, 1, direction="inbound")
        before = metrics(api, owner)

        response = api.patch(f"/v1/contact-history/{made['id']}", {"customer_id": other, "amount": "4"})

        assert response.json["customer_id"] == other
        assert metrics(api, owner) == EMPTY_METRICS
        assert metrics(api, other) == before | {"order_total": {"EUR": "4.00"}}
        assert events(api.app)[-3:] == ["contact_history.updated", "customer.metrics_changed", "customer.metrics_changed"]


class TestVersions:
    def test_an_interaction_raises_the_metrics_version_and_leaves_the_version_alone(self, api: Api, owner: str) -> None:
        before = api.get(f"/v1/customers/{owner}")

        order(api, owner, 1)

        after = api.get(f"/v1/customers/{owner}")
        assert (before.headers["ETag"], after.headers["ETag"]) == ('"1.0"', '"1.1"')
        assert after.json | {"metrics": None} == before.json | {"metrics": None}

    def test_an_interaction_in_between_does_not_spoil_a_change_of_the_customer(self, api: Api, owner: str) -> None:
        tag = api.get(f"/v1/customers/{owner}").headers["ETag"]
        order(api, owner, 1)

        response = api.patch(f"/v1/customers/{owner}", {"owner": "anna"}, headers={"If-Match": tag})

        assert response.status_code == 200
        assert response.headers["ETag"] == '"2.1"'
        assert response.json["metrics"]["order_count"] == 1

    def test_every_change_is_told_with_the_metrics_before_and_after(self, api: Api, owner: str) -> None:
        made = order(api, owner, 1)
        first = metrics(api, owner)
        api.delete(f"/v1/contact-history/{made['id']}")

        assert told(api, owner) == [
            {"before": {"metrics": EMPTY_METRICS}, "after": {"metrics": first, "version": 1, "metrics_version": 1}, "changed": ["metrics"]},
            {"before": {"metrics": first}, "after": {"metrics": EMPTY_METRICS, "version": 1, "metrics_version": 2}, "changed": ["metrics"]},
        ]

    def test_what_the_contact_history_writes_of_a_customer_is_nothing_else(self, api: Api, owner: str) -> None:
        columns = "version, updated_at, search_text, external_ids, deleted_at"
        before = rows(api.app, f"SELECT {columns} FROM customers")

        order(api, owner, 1)

        assert rows(api.app, f"SELECT {columns} FROM customers") == before
