"""Protects matching under races: however many sources bring one person for the first time at once, by whichever way, it is one customer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from flask import Flask

from app.config import Config
from app.core import limits
from tests import builders
from tests.client import make_token
from tests.conftest import DATA_TABLES
from tests.customers.bulk.calls import ndjson, post_stream
from tests.faults.calls import Answer, Caller, at_once
from tests.live import LiveServer

# KEHU_TEST_MATCH_ROUNDS=20 for the long run.
ROUNDS = int(os.environ.get("KEHU_TEST_MATCH_ROUNDS", "2"))
# Each brings one id. No customer has more ids than it may: whoever comes then is told so, and makes no second one.
SOURCES = 100
EMAIL = "mei@shop.example"


def put(caller: Caller, source: str) -> list[Any]:
    answer = caller.send("PUT", f"/v1/customers/by/{source}/1?match=email", {"email": EMAIL, "owner": source})
    return [(answer.status, answer.body)]


def batch(caller: Caller, source: str) -> list[Any]:
    match = {"match": "email", "data": {"email": EMAIL.upper().replace("SHOP.EXAMPLE", "shop.example")}}
    other = {"match": "email", "data": {"email": f"{source}@other.example"}}
    items = [
        {"op": "upsert", "source": source, "external_id": "other", **other},
        {"op": "upsert", "source": source, "external_id": "1", **match},
    ]
    answer = caller.send("POST", "/v1/customers/batch", {"items": items})
    if answer.status != 207:
        return [(answer.status, answer.body)]
    return [(result["status"], result.get("problem") or result) for result in answer.body["results"]][1:]


def load(caller: Caller, source: str) -> list[Any]:
    # A process takes two streams at once; a third one is told to come again.
    status, answer = 503, b"streams_busy"
    while status == 503 and b"streams_busy" in answer:
        body = ndjson([{"external_id": "1", "email": EMAIL, "owner": source}])
        status, answer = post_stream(caller.server, f"/v1/customers/import?source={source}&match=email", caller.token, body)
    if status != 200:
        return [(status, answer)]
    result = orjson.loads(answer.splitlines()[0])
    return [(result["status"], result.get("problem") or result)]


@pytest.fixture(scope="module")
def patient(config: Config) -> Iterator[LiveServer]:
    """Keeps a burst waiting for longer than it would: on a machine that does other things too, a second may not do for a hundred."""
    with LiveServer(config, KEHU_ADMISSION_WAIT="8") as server:
        yield server


class TestFirstMatch:
    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_100_sources_at_once_make_one_customer(self, app: Flask, patient: LiveServer, number: int) -> None:
        caller = Caller(patient, make_token(app, "*"))
        ways: list[Callable[[Caller, str], list[Any]]] = [put, put, put, batch, load]

        # The first call of a kind is slower in each process, and none of these is to wait for that.
        at_once(*[lambda way=way, i=i: way(caller, f"warm{i}") for i, way in enumerate(ways * 4)])
        builders.execute(app, f"TRUNCATE {DATA_TABLES}")

        def sync(index: int) -> list[Any]:
            return ways[(index + number) % len(ways)](caller, f"s{index}")

        answers = [one for found in at_once(*[lambda i=i: sync(i) for i in range(SOURCES)]) for one in found]

        statuses = Counter(status for status, _ in answers)
        attached = min(limits.EXTERNAL_IDS_MAX, SOURCES)
        assert statuses == {201: 1, 200: attached - 1} | ({422: SOURCES - attached} if attached < SOURCES else {})
        customers = builders.rows(app, "SELECT id::text, external_ids, version FROM customers WHERE email_key = :email", email=EMAIL)
        assert len(customers) == 1
        assert len(customers[0].external_ids) == attached
        assert {body["id"] for status, body in answers if status < 300} == {customers[0].id}
        keys = builders.rows(app, "SELECT source, customer_id::text FROM customer_keys WHERE external_id = '1'")
        assert {row.source for row in keys} == set(customers[0].external_ids)
        assert {row.customer_id for row in keys} == {customers[0].id}
        told = builders.rows(
            app,
            "SELECT data::json->'after'->>'version' AS version FROM events WHERE subject = :one ORDER BY xid, id",
            one=f"customers/{customers[0].id}",
        )
        assert [int(row.version) for row in told] == list(range(1, customers[0].version + 1))

    def test_patches_that_match_and_syncs_that_attach_do_not_wait_in_a_circle(self, app: Flask, live: LiveServer) -> None:
        caller = Caller(live, make_token(app, "*"))
        made = [caller.post({"email": f"{number}@shop.example"}).body["id"] for number in range(4)]

        def patch(index: int, turn: int) -> Answer:
            data = {"email": f"{index % 4}@shop.example", "owner": f"{turn}-{index}"}
            return caller.send("PATCH", f"/v1/customers/{made[index % 4]}?match=email", data)

        def attach(index: int, turn: int) -> Answer:
            data = {"email": f"{index % 4}@shop.example", "owner": f"{turn} {index}"}
            return caller.send("PUT", f"/v1/customers/by/t{turn}-{index}/1?match=email", data)

        rounds = [at_once(*[lambda i=i, turn=turn: (patch, attach)[i % 2](i // 2, turn) for i in range(16)]) for turn in range(5)]

        assert [(answer.status, answer.code, answer.seconds) for found in rounds for answer in found if answer.status != 200] == []
        assert builders.rows(app, "SELECT count(*) FROM customers")[0][0] == 4
