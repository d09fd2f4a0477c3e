"""Protects segments from each other: one whose statement fails holds up neither the log nor time nor fills, and is made good later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.builders import customer, entry, execute
from tests.client import Api
from tests.segments.calls import segment
from tests.segments.work import Hands, assert_settled, members, utc

# Over what `spoil` makes of the total, a statement fails.
FAILING = "metrics.order_total.EUR > 5"


@pytest.fixture
def hands(app: Flask) -> Hands:
    return Hands(app)


def spoil(api: Api, one: dict[str, Any], total: str = "much") -> None:
    execute(api.app, f"""UPDATE customers SET order_total = '{{"EUR": "{total}"}}' WHERE id = '{one["id"]}'""")


class TestFollowing:
    def test_the_log_is_followed_for_the_others(self, api: Api, hands: Hands) -> None:
        segment(api, "buyers", FAILING)
        segment(api, "finns", "country = 'FI'")
        hands.settle()
        one = customer(api, country="FI")
        spoil(api, one)

        hands.follow()
        followed = members(api.app)
        spoil(api, one, "6")
        Hands(api.app).settle()

        assert followed == {("finns", one["id"])}
        assert members(api.app) == {("finns", one["id"]), ("buyers", one["id"])}
        assert_settled(Hands(api.app))


class TestFilling:
    def test_the_others_are_filled(self, api: Api, hands: Hands) -> None:
        one = customer(api, country="FI")
        spoil(api, one)
        # Filled in the order in which they are made.
        segment(api, "buyers", FAILING)
        segment(api, "finns", "country = 'FI'")

        hands.fill()
        filled = members(api.app)
        spoil(api, one, "6")
        Hands(api.app).settle()

        assert filled == {("finns", one["id"])}
        assert_settled(Hands(api.app))


class TestSweeping:
    def test_time_passes_for_the_others(self, api: Api, hands: Hands) -> None:
        at = datetime.now(UTC)
        segment(api, "buyers", f"days_since(metrics.last_contact_at) > 30 AND {FAILING}")
        segment(api, "quiet", "days_since(metrics.last_contact_at) > 30")
        one = customer(api)
        entry(api, one["id"], occurred_at=utc(at))
        hands.settle()
        spoil(api, one)

        hands.ahead = timedelta(days=32)
        hands.sweep()
        swept = members(api.app)
        spoil(api, one, "6")
        again = Hands(api.app, timedelta(days=32))
        again.settle()

        assert swept == {("quiet", one["id"])}
        assert members(api.app) == {("quiet", one["id"]), ("buyers", one["id"])}
        assert_settled(again)
