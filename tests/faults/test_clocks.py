"""Protects against hosts whose clocks differ: ids stay unique, and pages, feed and times are the same whichever process answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import pytest
from flask import Flask

from app.config import Config
from tests.client import make_token
from tests.faults.calls import Caller, at_once
from tests.live import LiveServer

# Python imports this module before anything else.
SITECUSTOMIZE = """
import time

right, right_ns = time.time, time.time_ns
time.time = lambda: right() + 3600
time.time_ns = lambda: right_ns() + 3600 * 10**9
"""


@pytest.fixture
def callers(app: Flask, config: Config, live: LiveServer, tmp_path: Path) -> Iterator[tuple[Caller, Caller]]:
    """The same token at a service whose clock is right, and at one that is an hour ahead."""
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    token = make_token(app, "*")
    with LiveServer(config, KEHU_WORKERS="1", PYTHONPATH=str(tmp_path)) as ahead:
        yield Caller(live, token), Caller(ahead, token)


def walk(callers: tuple[Caller, Caller], sort: str) -> list[str]:
    """The ids of all customers, each page from the other process."""
    found: list[str] = []
    cursor = ""
    for caller in cycle(callers):
        page = caller.get(f"/v1/customers?limit=7&sort={sort}{cursor}").body
        found += [customer["id"] for customer in page["data"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError


class TestClocks:
    def test_a_process_an_hour_ahead_makes_no_id_twice_and_breaks_no_cursor(self, callers: tuple[Caller, Caller]) -> None:
        right, ahead = callers
        began = datetime.now(UTC)
        made = at_once(*[right.post, ahead.post] * 15)

        ids = {answer.body["id"] for answer in made}
        walks = [walk(callers, sort) for sort in ("created_at", "-created_at", "updated_at", "-updated_at")]
        feed: list[str] = []
        position = ""
        for caller in cycle(callers):
            page = caller.get(f"/v1/changes?types=customer.*&limit=4{position}").body
            feed += [event["subject"] for event in page["data"]]
            position = f"&after={page['next_position']}"
            if not page["data"]:
                break

        assert len(ids) == len(made)
        # The clock of the one is really ahead: UUIDv7 begins with the milliseconds.
        assert max(ids) > f"{int((began + timedelta(minutes=50)).timestamp() * 1000):012x}"[:8]
        assert [sorted(found) for found in walks] == [sorted(ids)] * 4
        assert walks[0] == walks[1][::-1]
        assert sorted(feed) == sorted(f"customers/{customer}" for customer in ids)

    def test_times_are_the_databases_and_go_on_whoever_writes(self, callers: tuple[Caller, Caller]) -> None:
        right, ahead = callers
        began = datetime.now(UTC)
        path = ahead.post().headers["location"]

        changes = [caller.patch(path, {"owner": str(number)}) for number, caller in zip(range(6), cycle(callers), strict=False)]

        times = [datetime.fromisoformat(answer.body["updated_at"]) for answer in changes]
        assert [answer.body["version"] for answer in changes] == [2, 3, 4, 5, 6, 7]
        assert times == sorted(times)
        assert abs(times[0] - began) < timedelta(minutes=1)
        assert right.get(path).body["created_at"] == ahead.get(path).body["created_at"]
