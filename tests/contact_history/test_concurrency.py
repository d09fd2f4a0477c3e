"""Protects the metrics and the feed's order from writers who meet: eight processes on the same ten customers, and first syncs at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Flask

from app.changes import service as feed
from app.changes.positions import Place
from app.config import Config
from app.contact_history import direct, recounting, service, syncing
from app.core.caller import Caller, command_line
from app.core.errors import Gone, NotFound
from app.core.preconditions import NONE
from app.core.syncing import ExternalKey, Mode
from app.customers import service as customers
from app.customers.direct import Direct
from app.db import unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from tests import builders
from tests.client import Api, make_token
from tests.concurrency.writers import RolledBack, stop_all
from tests.faults.calls import Answer, at_once
from tests.faults.calls import Caller as LiveCaller
from tests.live import LiveServer

# KEHU_TEST_HISTORY_SECONDS=60 for the long run.
SECONDS = float(os.environ.get("KEHU_TEST_HISTORY_SECONDS", "4"))
WRITERS = 8
CUSTOMERS = 10
START = datetime(2024, 1, 1, tzinfo=UTC)


def write(config: Config, owners: list[UUID], seed: int) -> None:
    """Writes of every kind, for as long as the test lasts."""
    dice = random.Random(seed)
    database = Database(config)
    caller = command_line(f"writer {seed}")
    entries: list[UUID] = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        step = partial(_step, caller, owners, entries, dice.random())
        # What another writer withdrew is gone; what is rolled back on purpose never was.
        with suppress(Gone, NotFound, RolledBack):
            made = unit_of_work.run(database, time.monotonic() + 60, step)
            entries = [*entries, made][-50:] if made is not None else entries
    database.close()


def _step(caller: Caller, owners: list[UUID], entries: list[UUID], seed: float, unit: UnitOfWork) -> UUID | None:
    # The same dice each time that the unit is run again.
    dice = random.Random(seed)
    time.sleep(dice.choice((0, 0, 0, 0.001)))
    made = _write(caller, owners, entries, dice, unit)
    if dice.random() < 0.05:
        raise RolledBack
    return made


def _write(caller: Caller, owners: list[UUID], entries: list[UUID], dice: random.Random, unit: UnitOfWork) -> UUID | None:
    fields: dict[str, Any] = {
        "kind": dice.choice(("order", "order", "call")),
        "direction": dice.choice(("inbound", "outbound", None)),
        "occurred_at": START + timedelta(days=dice.randrange(8)),
        "amount": dice.choice(("1.10", "-1.10", "0", None)),
        "currency": dice.choice(("EUR", "JPY")),
    }
    owner = {"customer_id": dice.choice(owners)}
    kind = dice.randrange(10) if entries else 0
    if kind <= 2:
        return service.create(direct.Direct(unit, caller), customer_id=owner["customer_id"], data=fields).id
    if kind <= 4:
        # A few ids, for which all writers meet, wherever their interaction is at the moment.
        key = ExternalKey("shop", str(dice.randrange(12)))
        options = {"mode": Mode.UPSERT, "restore": True, "create_missing": False, "precondition": NONE}
        return syncing.upsert(direct.Direct(unit, caller), key=key, data=fields | owner, **options).record.id  # type: ignore[arg-type]  # each is its own
    entry = dice.choice(entries)
    if kind == 5:
        service.delete(direct.Direct(unit, caller), entry_id=entry, precondition=NONE)
    elif kind == 6:
        service.restore(direct.Direct(unit, caller), entry_id=entry)
    elif kind == 7:
        service.patch(direct.Direct(unit, caller), entry_id=entry, data=owner, restore=False, precondition=NONE)
    elif kind == 8:
        service.patch(direct.Direct(unit, caller), entry_id=entry, data=fields, restore=True, precondition=NONE)
    else:
        patch = {"owner": str(dice.random())}
        customers.patch(Direct(unit, caller), customer_id=owner["customer_id"], data=patch, restore=False, precondition=NONE)
    return None


def versions(database: Database) -> dict[str, list[tuple[int, int]]]:
    """Of each subject `(version, metrics_version)` of every event, in the feed's order; where an event says nothing of one, 0."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    after: Place | None = None
    while True:
        with database.engine.connect() as connection:
            page = feed.follow(connection, command_line("tests"), after=after, patterns=None, subject=None, count=1000)
        for event in builders.shown_events(page):
            if not event["subject"].startswith("tokens/"):
                told = event["data"]["after"]
                found[event["subject"]].append((told["version"], told.get("metrics_version", 0)))
        after = page.next_position
        if page.whole:
            return found


def out_of_order(told: list[tuple[int, int]]) -> int:
    """How many events raise neither of the two versions by one."""
    wrong = 0
    version, metrics_version = 0, 0
    for now, metrics_now in told:
        step = (now - version, (metrics_now or metrics_version) - metrics_version)
        wrong += step not in ((1, 0), (0, 1))
        version, metrics_version = now, metrics_now or metrics_version
    return wrong


class TestEightWriters:
    def test_the_metrics_are_true_and_the_feed_is_in_order(self, api: Api, config: Config) -> None:
        app = api.app
        database = app.extensions["kehu"].database
        owners = [UUID(builders.customer(api)["id"]) for _ in range(CUSTOMERS)]
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=write, args=(config, owners, seed)) for seed in range(WRITERS)]
        for process in processes:
            process.start()
        stop_all(processes)  # type: ignore[arg-type]  # a SpawnProcess is a Process

        with builders.database(app) as connection:
            page = recounting.compare(connection, after=None, count=1000)
        told = versions(database)
        assert page.counted == CUSTOMERS
        assert page.wrong == []
        assert {subject: out_of_order(found) for subject, found in told.items() if out_of_order(found)} == {}
        assert sum(map(len, told.values())) > 100
        stored = builders.rows(app, "SELECT 'customers/' || id AS subject, version, metrics_version FROM customers")
        assert {row.subject: told[row.subject][-1][0] for row in stored} == {row.subject: row.version for row in stored}
        assert {row.subject: max(found[1] for found in told[row.subject]) for row in stored} == {
            row.subject: row.metrics_version for row in stored
        }
        keys = "SELECT source, external_id, customer_id, {} FROM {} WHERE external_id IS NOT NULL ORDER BY 1, 2"
        assert builders.rows(app, keys.format("id", "contact_history")) == builders.rows(
            app, keys.format("entry_id", "contact_history_keys")
        )


class TestFirstSync:
    def test_50_first_syncs_of_one_order_at_once_make_one_order_and_one_customer(self, app: Flask, live: LiveServer) -> None:
        caller = LiveCaller(live, make_token(app, "*"))
        body = {"kind": "order", "customer": {"source": "crm", "external_id": "7"}, "amount": "5", "currency": "EUR"}
        path = "/v1/contact-history/by/shop/1?create_missing=true"

        answers: list[Answer] = at_once(*[lambda i=i: caller.send("PUT", path, body | {"subject": str(i)}) for i in range(50)])

        statuses = Counter(answer.status for answer in answers)
        assert statuses == {201: 1, 200: 49}
        assert len({answer.body["id"] for answer in answers}) == 1
        found = caller.get("/v1/customers/by/crm/7").body
        assert (found["metrics"]["order_count"], found["metrics"]["order_total"]) == (1, {"EUR": "5.00"})
        assert caller.get("/v1/contact-history/by/shop/1").body["version"] == 50

    def test_two_movers_in_opposite_directions_do_not_lock_each_other_out(self, app: Flask, live: LiveServer) -> None:
        caller = LiveCaller(live, make_token(app, "*"))
        owners = [caller.post().body["id"] for _ in range(2)]
        made = [caller.send("POST", f"/v1/customers/{owner}/contact-history", {"kind": "call"}).body["id"] for owner in owners]

        answers = []
        for number in range(20):
            answers += at_once(
                lambda n=number: caller.patch(f"/v1/contact-history/{made[0]}", {"customer_id": owners[(n + 1) % 2]}),
                lambda n=number: caller.patch(f"/v1/contact-history/{made[1]}", {"customer_id": owners[n % 2]}),
            )

        assert Counter(answer.status for answer in answers) == {200: 40}
        assert [caller.get(f"/v1/customers/{owner}").body["metrics"]["contact_count"] for owner in owners] == [1, 1]
