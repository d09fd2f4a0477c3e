"""Protects segments from a restore of the database: after `kehu restored` the worker finds everybody's memberships anew."""

from __future__ import annotations

import pytest
from flask import Flask

from app.changes import epoch
from tests.builders import customer, database, execute
from tests.client import Api
from tests.segments import calls
from tests.segments.work import Hands, assert_settled, members


@pytest.fixture
def hands(app: Flask) -> Hands:
    return Hands(app)


class TestRestored:
    def test_segments_of_both_kinds_are_filled_anew_and_who_was_deleted_unseen_leaves(self, api: Api, hands: Hands) -> None:
        chosen = calls.segment(api, "chosen", None)
        calls.segment(api, "finns", "country = 'FI'")
        one, other = customer(api, country="FI"), customer(api, country="FI")
        calls.put(api, chosen, one, other)
        hands.settle()

        api.delete(f"/v1/customers/{one['id']}")
        with database(api.app) as db:
            epoch.begin(db)
        hands.settle()
        without = members(api.app)
        assert_settled(hands)
        api.post(f"/v1/customers/{one['id']}/restore")
        hands.settle()

        assert without == {("chosen", other["id"]), ("finns", other["id"])}
        assert [found["state"] for found in api.get("/v1/segments").json["data"]] == ["current", "current"]
        assert_settled(hands)


class TestOrder:
    def test_nobody_joins_a_segment_before_it_is_made(self, api: Api, hands: Hands) -> None:
        customer(api, country="FI")
        execute(api.app, "UPDATE segment_lanes SET evaluated_at = NULL")
        read = hands.known.read
        made = []

        def made_meanwhile(db: object) -> object:
            if not made:
                made.append(calls.segment(api, "finns", "country = 'FI'"))
            return read(db)  # type: ignore[arg-type]

        hands.known.read = made_meanwhile  # type: ignore[assignment,method-assign]
        hands.follow()

        assert len(members(api.app)) == 1
        assert_settled(hands)
