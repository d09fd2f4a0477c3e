"""Protects retries that overtake each other: equal requests at once are one write, and of two for one version one is made."""

from __future__ import annotations

import pytest
from flask import Flask

from tests import builders
from tests.client import make_token
from tests.faults.calls import Caller, at_once
from tests.live import LiveServer

CALLS = 100


@pytest.fixture
def caller(app: Flask, live: LiveServer) -> Caller:
    return Caller(live, make_token(app, "*"))


class TestOneKey:
    def test_100_equal_requests_at_once_are_executed_once(self, app: Flask, caller: Caller) -> None:
        answers = at_once(*[lambda: caller.post({"given_name": "Li"}, key="k")] * CALLS)

        made = [answer for answer in answers if answer.status == 201]
        executed = [answer for answer in made if "idempotency-replayed" not in answer.headers]
        others = [(answer.status, answer.code) for answer in answers if answer.status != 201]
        assert len(executed) == 1
        assert {answer.body["id"] for answer in made} == {executed[0].body["id"]}
        assert others == [(409, "idempotency_in_progress")] * len(others)
        assert [tuple(row) for row in builders.rows(app, "SELECT id::text, version FROM customers")] == [(executed[0].body["id"], 1)]
        assert builders.events(app) == ["customer.created"]

    def test_two_requests_with_one_key_at_once_are_one_write_and_one_refusal(self, app: Flask, caller: Caller) -> None:
        rounds = [
            at_once(
                lambda key=f"k{number}": caller.post({"given_name": "Li"}, key=key),
                lambda key=f"k{number}": caller.post({"given_name": "Wei"}, key=key),
            )
            for number in range(20)
        ]

        assert [sorted(answer.status for answer in answers) for answers in rounds] == [[201, 422]] * len(rounds)
        assert {answer.code for answers in rounds for answer in answers} == {None, "idempotency_key_reused"}
        assert builders.events(app) == ["customer.created"] * len(rounds)


class TestOneVersion:
    def test_of_two_patches_with_one_if_match_one_is_412(self, app: Flask, caller: Caller) -> None:
        path = caller.post().headers["location"]
        rounds = [
            at_once(
                lambda version=version: caller.send("PATCH", path, {"owner": f"a{version}"}, If_Match=f'"{version}"'),
                lambda version=version: caller.send("PATCH", path, {"owner": f"b{version}"}, If_Match=f'"{version}"'),
            )
            for version in range(1, 21)
        ]

        assert [sorted(answer.status for answer in answers) for answers in rounds] == [[200, 412]] * len(rounds)
        assert caller.get(path).body["version"] == 21
        assert len(builders.events(app)) == 21
