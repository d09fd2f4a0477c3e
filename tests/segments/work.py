"""The worker's steps one by one, with a clock of the test's own, and what the kept members have to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import Connection, text

from app import factory
from app.db.engines import Database
from app.segments import evaluation, queries
from app.segments.worker import lanes
from app.segments.worker.clearing import Clearer
from app.segments.worker.filling import Filler
from app.segments.worker.following import Follower
from app.segments.worker.known import Known
from app.segments.worker.sweeping import Sweeper
from tests.builders import database, rows


@dataclass
class Hands:
    """A `kehu worker` whose jobs are done when the test says so, and whose clock is ahead of the database's by `ahead`."""

    app: Flask
    ahead: timedelta = timedelta(0)
    known: Known = field(default_factory=lambda: Known(factory.catalogues()["customers"]))

    def clock(self, db: Connection) -> datetime:
        return lanes.database_clock(db) + self.ahead

    @property
    def database(self) -> Database:
        found: Database = self.app.extensions["kehu"].database
        return found

    def follow(self) -> None:
        _exhaust(Follower(self.database, self.known, self.clock).follow)

    def sweep(self) -> None:
        Sweeper(self.database, self.known, self.clock, lambda: False).sweep()

    def fill(self) -> None:
        _exhaust(Filler(self.database, self.known, self.clock, lambda _: False).fill)

    def clear(self) -> None:
        Clearer(self.database, lambda: False).clear()

    def settle(self) -> None:
        """Everything that there is to do."""
        self.follow()
        self.sweep()
        self.fill()
        self.clear()
        self.follow()


def _exhaust(step: Callable[[], bool]) -> None:
    for _ in range(1000):
        if not step():
            return
    raise AssertionError("there is always more to do")


def members(app: Flask) -> set[tuple[str, str]]:
    """Whom `segment_members` has in what: segment and customer, hidden ones left out."""
    kept = "SELECT s.name, m.customer_id FROM segment_members m JOIN segments s ON s.id = m.segment_id WHERE m.entered_at IS NOT NULL"
    return {(row.name, str(row.customer_id)) for row in rows(app, kept)}


def evaluated(hands: Hands) -> set[tuple[str, str]]:
    """Whom every rule takes at the worker's present, evaluated anew and for all customers."""
    with database(hands.app) as db:
        rules = hands.known.read(db)
        assert not rules.broken
        definitions = queries.list_definitions(db)
        ids: list[UUID] = list(db.execute(text("SELECT id FROM customers")).scalars())
        found = evaluation.memberships(db, ids, definitions, rules.meanings, hands.clock(db))
    names = {one.id: one.name for one in definitions}
    return {(names[segment], str(one.customer_id)) for one in found for segment in one.segments}


def replayed(app: Flask) -> set[tuple[str, str]]:
    """Who is a member by the events alone. Fails where somebody joins who is in, or leaves who is not, and where anything is told of a
    segment before it is made or after it is gone."""
    found: set[tuple[str, str]] = set()
    there: set[str] = set()
    for row in rows(app, "SELECT type, subject, data::json AS data FROM events WHERE type LIKE 'segment.%' ORDER BY xid, id"):
        data: dict[str, Any] = row.data["after"] or row.data["before"]
        if row.type not in ("segment.joined", "segment.left"):
            _follow_definition(row.type, row.subject.removeprefix("segments/"), there)
            found = {one for one in found if one[0] in there}
            continue
        assert row.subject == f"customers/{data['customer_id']}"
        assert data["segment_id"] in there
        one = (data["segment_id"], data["customer_id"])
        if row.type == "segment.joined":
            assert one not in found
            found.add(one)
        else:
            assert one in found
            found.remove(one)
    names = {str(row.id): row.name for row in rows(app, "SELECT id, name FROM segments")}
    return {(names[segment], customer) for segment, customer in found if segment in names}


def _follow_definition(type_: str, segment_id: str, there: set[str]) -> None:
    assert (segment_id in there) == (type_ != "segment.created")
    if type_ == "segment.created":
        there.add(segment_id)
    elif type_ == "segment.deleted":
        there.remove(segment_id)


def counted(app: Flask) -> Counter[str]:
    """How many members each segment is said to have."""
    counts = "SELECT name, sum(members) AS members FROM segment_counts JOIN segments ON id = segment_id GROUP BY name"
    return +Counter({row.name: int(row.members) for row in rows(app, counts)})


def assert_settled(hands: Hands) -> None:
    """What is kept, what was told, what is counted and what is true are the same."""
    kept = members(hands.app)
    assert kept == evaluated(hands)
    assert kept == replayed(hands.app)
    assert Counter(name for name, _ in kept) == counted(hands.app)
    assert rows(hands.app, "SELECT segment_id FROM segment_members EXCEPT SELECT id FROM segments") == []


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
