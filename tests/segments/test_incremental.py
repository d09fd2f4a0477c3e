"""Protects the kept members from any order of events: after whatever is done they are what evaluating everything anew gives."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.builders import customer, execute
from tests.client import Api
from tests.segments.work import Hands, assert_settled, utc

# KEHU_TEST_SEGMENT_EXAMPLES=200 for the long run; each is a history of up to STEPS writes and steps of the worker.
EXAMPLES = int(os.environ.get("KEHU_TEST_SEGMENT_EXAMPLES", "15"))
STEPS = int(os.environ.get("KEHU_TEST_SEGMENT_STEPS", "40"))

# Few values, and thresholds at which many of them lie.
COUNTRIES = st.sampled_from(["FI", "CN", None])
KINDS = st.sampled_from(["order", "call"])
AGES = st.sampled_from([0, 1, 9, 10, 11, 29, 30])
CUSTOMERS = st.integers(0, 3)
JUMPS = st.sampled_from([timedelta(seconds=10), timedelta(hours=23), timedelta(days=1), timedelta(days=10), timedelta(days=19)])
NAMES = ("first", "second", "third")
RULES = st.sampled_from(
    [
        "country = 'FI'",
        "NOT country = 'FI' OR days_since(metrics.last_order_at) < 10",
        "days_since(metrics.last_contact_at) BETWEEN 10 AND 29",
        "days_since(metrics.first_order_at) = 10",
        "contact_count('call', 10) >= 2",
        "NOT contact_count('order', 30) > 0",
        "order_total('EUR', 30) > 15",
        "days_since(created_at) > 10 AND day(now()) > 15",
        "metrics.last_contact_at < TIMESTAMP('{soon}') AND now() > TIMESTAMP('{soon}')",
        "days_since(metrics.last_order_at) > days_since(metrics.last_inbound_at)",
        "now() > source_updated_at",
        "attributes.renewal > now()",
        "in_segment('static') AND days_since(created_at) < 10",
    ]
)
# Among them what other segments say, which are made before.
NESTED = st.sampled_from(
    ["in_segment('first')", "NOT in_segment('first') AND country = 'CN'", "in_segment('static') OR in_segment('first')"]
)


class Histories(RuleBasedStateMachine):
    """Four customers, up to three segments and a static one, and a worker that does a step now and then."""

    api: Api
    hands: Hands

    @initialize()
    def begin(self) -> None:
        # The clock of the history before was ahead of this one's.
        execute(self.api.app, "UPDATE segment_lanes SET evaluated_at = NULL")
        assert self.api.put("/v1/attributes/renewal", {"type": "timestamp"}).status_code in (200, 201)
        for one in self.api.get("/v1/segments").json["data"][::-1]:
            self.drop(one["id"])
        for name in NAMES[::-1]:
            self.drop_named(name)
        self.segments: dict[str, str] = {}
        self.static = self.make("static", None)
        self.customers = [customer(self.api)["id"] for _ in range(4)]
        self.entries: list[str] = []
        self.soon = utc(datetime.now(UTC) + self.hands.ahead + timedelta(days=5))

    def make(self, name: str, rule_text: str | None) -> str:
        said: dict[str, Any] = {"kind": "static"} if rule_text is None else {"rule_text": rule_text}
        response = self.api.post("/v1/segments", {"name": name, **said})
        assert response.status_code == 201, response.get_data(as_text=True)
        return str(response.json["id"])

    def drop(self, segment_id: str) -> bool:
        return self.api.delete(f"/v1/segments/{segment_id}").status_code == 204

    def drop_named(self, name: str) -> None:
        for one in self.api.get("/v1/segments").json["data"]:
            if one["name"] in (name, "static"):
                self.drop(one["id"])

    # What callers do.

    @rule(owner=CUSTOMERS, country=COUNTRIES)
    def change_the_customer(self, owner: int, country: str | None) -> None:
        self.api.patch(f"/v1/customers/{self.customers[owner]}", {"country": country})

    @rule(owner=CUSTOMERS, days=st.sampled_from([-10, 0, 10]))
    def set_times(self, owner: int, days: int) -> None:
        at = utc(datetime.now(UTC) + self.hands.ahead + timedelta(days=days))
        self.api.patch(f"/v1/customers/{self.customers[owner]}", {"attributes": {"renewal": at}, "source_updated_at": at})

    @rule(owner=CUSTOMERS, kind=KINDS, age=AGES)
    def append(self, owner: int, kind: str, age: int) -> None:
        response = self.api.post(f"/v1/customers/{self.customers[owner]}/contact-history", self.entry(kind, age))
        if response.status_code == 201:
            self.entries.append(response.json["id"])

    def entry(self, kind: str, age: int) -> dict[str, Any]:
        # Not ahead of the service's clock, which is the database's and not the worker's.
        at = datetime.now(UTC) + min(self.hands.ahead - timedelta(days=age), timedelta(0))
        return {"kind": kind, "direction": "inbound", "occurred_at": utc(at), "amount": "10", "currency": "EUR"}

    @rule(owner=CUSTOMERS, kinds=st.lists(KINDS, min_size=1, max_size=3), age=AGES)
    def import_entries(self, owner: int, kinds: list[str], age: int) -> None:
        items = [
            {
                "op": "upsert",
                "source": "shop",
                "external_id": f"{self.static}-{number}",
                "data": {"customer_id": self.customers[owner], **said},
            }
            for number, said in enumerate(self.entry(kind, age) for kind in kinds)
        ]
        assert self.api.post("/v1/contact-history/batch", {"items": items}).status_code == 207

    @rule(country=st.sampled_from(["FI", "CN"]), count=st.integers(1, 2))
    def import_customers(self, country: str, count: int) -> None:
        lines = "\n".join(
            f'{{"source": "shop", "external_id": "{self.static}-{number}", "country": "{country}"}}' for number in range(count)
        )
        response = self.api.post("/v1/customers/import", data=lines, content_type="application/x-ndjson")
        assert response.status_code == 200

    @precondition(lambda self: self.entries)
    @rule(place=st.integers(0, 20), restore=st.booleans())
    def withdraw_or_restore(self, place: int, restore: bool) -> None:
        path = f"/v1/contact-history/{self.entries[place % len(self.entries)]}"
        self.api.post(f"{path}/restore") if restore else self.api.delete(path)

    @rule(owner=CUSTOMERS, restore=st.booleans())
    def delete_or_restore_the_customer(self, owner: int, restore: bool) -> None:
        path = f"/v1/customers/{self.customers[owner]}"
        self.api.post(f"{path}/restore") if restore else self.api.delete(path)

    @rule(owner=CUSTOMERS, is_member=st.booleans())
    def put_into_the_static_segment_or_take_out(self, owner: int, is_member: bool) -> None:
        path = f"/v1/segments/{self.static}/members/{self.customers[owner]}"
        self.api.put(path) if is_member else self.api.delete(path)

    @rule(name=st.sampled_from(NAMES), text=RULES, nested=NESTED, is_nested=st.booleans())
    def say_a_rule(self, name: str, text: str, nested: str, is_nested: bool) -> None:
        said = nested if is_nested and name != "first" and "first" in self.segments else text.format(soon=self.soon)
        if name not in self.segments:
            self.segments[name] = self.make(name, said)
        else:
            assert self.api.patch(f"/v1/segments/{self.segments[name]}", {"rule_text": said}).status_code == 200

    @precondition(lambda self: self.segments)
    @rule(name=st.sampled_from(NAMES))
    def forget_a_segment(self, name: str) -> None:
        if name in self.segments and self.drop(self.segments[name]):
            del self.segments[name]

    # What the worker does, and time.

    @rule(jump=JUMPS)
    def let_time_pass(self, jump: timedelta) -> None:
        self.hands.ahead += jump

    @rule()
    def follow(self) -> None:
        self.hands.follow()

    @rule()
    def sweep(self) -> None:
        self.hands.sweep()

    @rule()
    def fill(self) -> None:
        self.hands.fill()

    @rule()
    def settle(self) -> None:
        self.hands.settle()
        assert_settled(self.hands)

    def teardown(self) -> None:
        if hasattr(self, "segments"):
            self.settle()
            assert all(one["state"] == "current" for one in self.api.get("/v1/segments").json["data"])


class TestIncremental:
    def test_members_are_what_everything_evaluated_anew_gives(self, api: Api) -> None:
        def over() -> Histories:
            machine = Histories()
            machine.api = api
            machine.hands = Hands(api.app)
            return machine

        run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis types this one not
            over,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
