"""Protects the metrics against every order of events: whatever is done, they are what a recount gives, and the feed tells each step."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule, run_state_machine_as_test

from app.contact_history import recounting
from tests.builders import EMPTY_METRICS, customer, database, metrics
from tests.client import Api

# KEHU_TEST_HISTORY_EXAMPLES=200 for the long run; each is a history of up to STEPS writes.
EXAMPLES = int(os.environ.get("KEHU_TEST_HISTORY_EXAMPLES", "12"))
STEPS = int(os.environ.get("KEHU_TEST_HISTORY_STEPS", "30"))

# Few values, so that extremes tie, totals come to nothing and external ids meet.
KINDS = st.sampled_from(["order", "order", "return", "call"])
DIRECTIONS = st.sampled_from(["inbound", "outbound", "internal", None])
TIMES = st.integers(1, 6).map(lambda day: (datetime(2024, 1, day, tzinfo=UTC)).isoformat())
AMOUNTS = st.sampled_from(["10.00", "-10.00", "0.1", "0.005", "0", None])
CURRENCIES = st.sampled_from(["EUR", "JPY"])
PATCHES = st.fixed_dictionaries(
    {}, optional={"kind": KINDS, "direction": DIRECTIONS, "occurred_at": TIMES, "amount": AMOUNTS, "currency": CURRENCIES}
)
WHOLE = st.fixed_dictionaries({"kind": KINDS, "direction": DIRECTIONS, "occurred_at": TIMES, "amount": AMOUNTS, "currency": CURRENCIES})
KEYS = st.sampled_from(["1", "2", "3"])
CUSTOMERS = st.integers(0, 2)


def recount(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The metrics of these, counted as a reader of the contract would, with none of the service's own code."""
    totals: dict[str, Decimal] = {}
    orders = [entry for entry in entries if entry["kind"] == "order"]
    for entry in orders:
        if entry["amount"] is not None:
            totals[entry["currency"]] = totals.get(entry["currency"], Decimal(0)) + Decimal(entry["amount"])

    def times(chosen: list[dict[str, Any]], **fields: str) -> list[str]:
        return sorted(entry["occurred_at"] for entry in chosen if all(entry[name] == value for name, value in fields.items()))

    def at(found: list[str], place: int) -> str | None:
        return found[place] if found else None

    return {
        "contact_count": len(entries),
        "first_contact_at": at(times(entries), 0),
        "last_contact_at": at(times(entries), -1),
        "last_inbound_at": at(times(entries, direction="inbound"), -1),
        "last_outbound_at": at(times(entries, direction="outbound"), -1),
        "order_count": len(orders),
        "order_total": totals,
        "first_order_at": at(times(orders), 0),
        "last_order_at": at(times(orders), -1),
    }


class History(RuleBasedStateMachine):
    """Three customers and what is written of them, beside the interactions as they should be by what was answered."""

    entries: Bundle[str] = Bundle("entries")
    api: Api

    @initialize()
    def begin(self) -> None:
        self.customers = [customer(self.api)["id"] for _ in range(3)]
        self.known: dict[str, dict[str, Any]] = {}
        self.prefix = self.customers[0]

    def note(self, response: Any, *, status: tuple[int, ...]) -> Any:
        assert response.status_code in status, response.get_data(as_text=True)
        self.known[response.json["id"]] = response.json
        return response.json["id"]

    def reachable(self, entry: str) -> bool:
        return self.known[entry]["deleted_at"] is None

    @rule(target=entries, owner=CUSTOMERS, fields=WHOLE)
    def append(self, owner: int, fields: dict[str, Any]) -> Any:
        return self.note(self.api.post(f"/v1/customers/{self.customers[owner]}/contact-history", fields), status=(201,))

    @rule(entry=entries, patch=PATCHES)
    def correct(self, entry: str, patch: dict[str, Any]) -> None:
        response = self.api.patch(f"/v1/contact-history/{entry}", patch)
        if self.reachable(entry):
            self.note(response, status=(200,))
        else:
            assert response.status_code == 410

    @rule(entry=entries, owner=CUSTOMERS, patch=PATCHES)
    def move(self, entry: str, owner: int, patch: dict[str, Any]) -> None:
        query = "" if self.reachable(entry) else "?deleted=restore"
        response = self.api.patch(f"/v1/contact-history/{entry}{query}", patch | {"customer_id": self.customers[owner]})
        self.note(response, status=(200,))

    @rule(entry=entries)
    def withdraw(self, entry: str) -> None:
        assert self.api.delete(f"/v1/contact-history/{entry}").status_code == 204
        self.known[entry] = self.known[entry] | {"deleted_at": "withdrawn"}

    @rule(entry=entries)
    def restore(self, entry: str) -> None:
        self.note(self.api.post(f"/v1/contact-history/{entry}/restore"), status=(200,))

    @rule(target=entries, key=KEYS, owner=CUSTOMERS, fields=WHOLE)
    def sync(self, key: str, owner: int, fields: dict[str, Any]) -> Any:
        body = fields | {"customer_id": self.customers[owner]}
        made = self.note(self.api.put(f"/v1/contact-history/by/shop/{self.prefix}-{key}?deleted=restore", body), status=(200, 201))
        return multiple(made)

    @rule(entry=consumes(entries))
    def detach(self, entry: str) -> None:
        key = self.known[entry]["external_id"]
        if key is not None and self.reachable(entry):
            assert self.api.delete(f"/v1/contact-history/by/shop/{key}").status_code == 204
            self.known[entry] = self.known[entry] | {"external_id": None}

    @rule(owner=CUSTOMERS)
    def delete_and_restore_the_customer(self, owner: int) -> None:
        path = f"/v1/customers/{self.customers[owner]}"
        self.api.delete(path)
        assert self.api.get(f"{path}/contact-history").status_code == 410
        self.api.post(f"{path}/restore")

    @rule(owner=CUSTOMERS, name=st.sampled_from(["anna", "otto"]))
    def change_the_customer(self, owner: int, name: str) -> None:
        self.api.patch(f"/v1/customers/{self.customers[owner]}", {"owner": name})

    @invariant()
    def metrics_are_a_recount(self) -> None:
        for customer_id in getattr(self, "customers", []):
            living = [entry for entry in self.known.values() if entry["customer_id"] == customer_id and entry["deleted_at"] is None]
            shown = metrics(self.api, customer_id)
            assert shown | {"order_total": {name: Decimal(text) for name, text in shown["order_total"].items()}} == recount(living)

    def teardown(self) -> None:
        if not hasattr(self, "customers"):
            return
        for customer_id in self.customers:
            self.check_feed_of_customer(customer_id)
        for entry in self.known.values():
            told = feed(self.api, f"contact-history/{entry['id']}")
            assert [data["after"]["version"] for data in told] == list(range(1, len(told) + 1))
        with database(self.api.app) as connection:
            pages = [recounting.compare(connection, after=None, count=100_000)]
        assert pages[0].wrong == []

    def check_feed_of_customer(self, customer_id: str) -> None:
        """What a reader who applies the events has is what the service shows, and each step raised one of the two versions by one."""
        told = feed(self.api, f"customers/{customer_id}")
        copy: dict[str, Any] = {"metrics": EMPTY_METRICS, "metrics_version": 0, "version": 0}
        for data in told:
            before = (copy["version"], copy["metrics_version"])
            if data["changed"] == ["metrics"]:
                assert data["before"]["metrics"] == copy["metrics"]
            copy |= data["after"]
            assert (copy["version"] - before[0], copy["metrics_version"] - before[1]) in ((1, 0), (0, 1))
        shown = self.api.get(f"/v1/customers/{customer_id}")
        assert shown.headers["ETag"] == f'"{copy.pop("version")}.{copy.pop("metrics_version")}"'
        assert copy == {name: value for name, value in shown.json.items() if name != "version"}


def feed(api: Api, subject: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query = {"subject": subject, "limit": 1000}
    while True:
        page = api.get("/v1/changes", query_string=query).json
        found += [event["data"] for event in page["data"]]
        if not page["data"]:
            return found
        query["after"] = page["next_position"]


class TestRecount:
    def test_the_metrics_are_a_recount_after_any_history(self, api: Api) -> None:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis types this one not
            lambda: _over(api),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )

    @pytest.mark.parametrize("days", [1, 3])
    def test_the_recount_of_the_test_itself_counts(self, days: int) -> None:
        start = datetime(2024, 1, 1, tzinfo=UTC)
        entry = {"kind": "order", "direction": "inbound", "amount": "1.5", "currency": "EUR"}
        entries = [entry | {"occurred_at": (start + timedelta(days=day)).isoformat()} for day in range(days)]

        counted = recount(entries)

        assert (counted["contact_count"], counted["order_total"]) == (days, {"EUR": days * Decimal("1.5")})
        assert (counted["first_order_at"], counted["last_inbound_at"]) == (entries[0]["occurred_at"], entries[-1]["occurred_at"])


def _over(api: Api) -> History:
    machine = History()
    machine.api = api
    return machine
