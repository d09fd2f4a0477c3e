"""Protects the feed's order under eight writers: for each subject its versions rise by one, nothing is missed and nothing comes twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from app.changes import service
from app.changes.positions import Place
from app.config import Config
from app.core.caller import command_line
from app.db.engines import Database
from tests.builders import shown_events
from tests.concurrency import writers


def read_all(database: Database, after: Place | None, page: int = 500) -> tuple[list[tuple[str, int]], Place]:
    """`(subject, version)` of every event behind `after`, and the place behind the last."""
    found: list[tuple[str, int]] = []
    while True:
        with database.engine.connect() as connection:
            followed = service.follow(connection, command_line("tests"), after=after, patterns=None, subject=None, count=page)
        found += [(event["subject"], event["data"]["after"]["version"]) for event in shown_events(followed)]
        after = followed.next_position
        if followed.whole:
            return found, after


def out_of_order(told: list[tuple[str, int]]) -> int:
    """How many events do not carry the version after the one before them."""
    last: dict[str, int] = defaultdict(int)
    wrong = 0
    for subject, version in told:
        wrong += version != last[subject] + 1
        last[subject] = version
    return wrong


def stored_versions(database: Database) -> Iterator[tuple[str, int]]:
    with database.engine.connect() as connection:
        for customer, version in connection.execute(text("SELECT id, version FROM customers")).all():
            yield f"customers/{UUID(str(customer))}", version


class TestFeedOrder:
    def test_a_reader_that_follows_eight_writers_misses_nothing(self, app: Flask, config: Config) -> None:
        database = app.extensions["kehu"].database
        customers = writers.make_customers(database, 10)
        seen, place = read_all(database, None)

        processes = writers.start(config, customers, writers.EVENTS)
        while any(process.is_alive() for process in processes):
            more, place = read_all(database, place, page=50)
            seen += more
        writers.stop_all(processes)
        more, place = read_all(database, place)
        seen += more

        assert out_of_order(seen) == 0
        assert dict(seen) == dict(stored_versions(database))
        assert len(seen) == 10 + writers.EVENTS // writers.WRITERS * writers.WRITERS
        assert seen == read_all(database, None)[0]

    def test_without_the_fence_the_order_goes_wrong(self, app: Flask, config: Config) -> None:
        database = app.extensions["kehu"].database
        customers = writers.make_customers(database, 10)

        writers.stop_all(writers.start(config, customers, min(writers.EVENTS, 4000), fenced=False))

        assert out_of_order(read_all(database, None)[0]) > 0
