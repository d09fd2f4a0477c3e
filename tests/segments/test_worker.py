"""Protects the kept members of segments: what a write, time or a rule does to them is told once, and they are what the rules say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.segments.worker import lanes, window
from app.segments.worker.sweeping import Sweeper
from tests.builders import customer, entry, execute, rows
from tests.client import Api
from tests.segments.calls import segment
from tests.segments.work import Hands, assert_settled, members, utc


@pytest.fixture
def hands(app: Flask) -> Hands:
    return Hands(app)


def told(app: Flask) -> list[tuple[str, str]]:
    found = rows(app, "SELECT type, data::json AS data FROM events WHERE type IN ('segment.joined', 'segment.left') ORDER BY xid, id")
    return [(row.type.removeprefix("segment."), (row.data["after"] or row.data["before"])["segment_name"]) for row in found]


class TestEvents:
    def test_a_write_makes_a_customer_join_and_another_makes_him_leave(self, api: Api, hands: Hands) -> None:
        segment(api, "finns", "country = 'FI'")
        hands.settle()
        one = customer(api, country="FI")["id"]
        customer(api, country="CN")

        hands.follow()
        joined = members(api.app)
        api.patch(f"/v1/customers/{one}", {"country": "SE"})
        hands.follow()

        assert joined == {("finns", one)}
        assert told(api.app) == [("joined", "finns"), ("left", "finns")]
        assert_settled(hands)

    def test_an_interaction_does_it_as_well(self, api: Api, hands: Hands) -> None:
        segment(api, "callers", "contact_count('call', 30) >= 2")
        hands.settle()
        one = customer(api)["id"]
        calls = [entry(api, one, kind="call", occurred_at=datetime.now(UTC).isoformat())["id"] for _ in range(2)]
        hands.follow()

        api.delete(f"/v1/contact-history/{calls[0]}")
        hands.follow()

        assert told(api.app) == [("joined", "callers"), ("left", "callers")]
        assert_settled(hands)

    def test_who_is_deleted_leaves_and_who_is_restored_joins(self, api: Api, hands: Hands) -> None:
        segment(api, "everybody", "status = 'active'")
        hands.settle()
        one = customer(api)["id"]
        hands.follow()

        api.delete(f"/v1/customers/{one}")
        hands.follow()
        without = members(api.app)
        api.post(f"/v1/customers/{one}/restore")
        hands.follow()

        assert without == set()
        assert told(api.app) == [("joined", "everybody"), ("left", "everybody"), ("joined", "everybody")]
        assert_settled(hands)


class TestTime:
    @pytest.mark.parametrize(
        ("rule", "days", "what"),
        [
            ("days_since(metrics.last_contact_at) > 30", 31, "joined"),
            ("days_since(metrics.last_contact_at) <= 30", 31, "left"),
            ("contact_count('note', 30) = 0", 30, "joined"),
            ("order_total('CNY', 30) > 1", 30, "left"),
            ("now() > TIMESTAMP('{in_ten_days}')", 10, "joined"),
            ("days_since(created_at) >= 7 AND NOT in_segment('nobody')", 7, "joined"),
        ],
    )
    def test_a_threshold_turns_in_its_moment_and_not_before(self, api: Api, hands: Hands, rule: str, days: int, what: str) -> None:
        segment(api, "nobody", "days_since(metrics.first_contact_at) < 0")
        at = datetime.now(UTC)
        segment(api, "s", rule.format(in_ten_days=utc(at + timedelta(days=10))))
        one = customer(api)["id"]
        entry(api, one, kind="note", occurred_at=utc(at))
        entry(api, one, kind="order", occurred_at=utc(at), amount="2", currency="CNY")
        hands.settle()
        first = told(api.app)

        hands.ahead = timedelta(days=days, minutes=-5)
        hands.sweep()
        before = told(api.app)[len(first) :]
        hands.ahead = timedelta(days=days, minutes=5)
        hands.settle()

        assert before == []
        assert told(api.app)[len(first) :] == [(what, "s")]
        assert_settled(hands)

    def test_a_clock_that_was_far_ahead_is_made_good(self, api: Api, hands: Hands) -> None:
        segment(api, "new", "days_since(created_at) < 10")
        one = customer(api)["id"]
        hands.settle()
        hands.ahead = timedelta(days=20)
        hands.settle()
        ahead = members(api.app)

        hands.ahead = timedelta(0)
        hands.settle()
        hands.settle()

        assert ahead == set()
        assert members(api.app) == {("new", one)}
        assert_settled(hands)

    def test_a_clock_that_steps_back_in_a_sweep_is_followed(self, api: Api, hands: Hands) -> None:
        execute(api.app, "UPDATE segment_lanes SET evaluated_at = NULL")
        times = iter([timedelta(seconds=50)])
        sweeper = Sweeper(hands.database, hands.known, lambda db: lanes.database_clock(db) + next(times, timedelta(0)), lambda: False)

        sweeper.sweep()

        assert rows(api.app, "SELECT 1 FROM segment_lanes WHERE evaluated_at > clock_timestamp()") == []


class TestWindow:
    def test_a_step_looks_at_fewer_events_where_there_are_many_segments(self) -> None:
        assert [window.size(segments) for segments in (0, 10, 50, 500, 5000)] == [2000, 2000, 1000, 100, 100]
