"""Protects copies that begin with an export: it is of one moment, and what the feed tells behind it makes up the rest, each event once."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Any

import orjson
from flask import Flask

from tests.client import Api, make_token
from tests.customers.bulk.calls import export, follow, ndjson, post_stream
from tests.faults.calls import Caller
from tests.live import LiveServer

# KEHU_TEST_EXPORT_SECONDS=60 for the long run.
SECONDS = float(os.environ.get("KEHU_TEST_EXPORT_SECONDS", "4"))
WRITERS = 4


def write(caller: Caller, number: int, until: float, refused: list[Any]) -> None:
    """Every way to write, over few customers, so that writers meet."""
    dice = random.Random(number)
    while time.monotonic() < until:
        key, name = str(dice.randrange(40)), f"{number}-{dice.random()}"
        way = dice.randrange(4)
        if way == 0:
            answer = caller.send("PUT", f"/v1/customers/by/shop/{key}?deleted=restore", {"owner": name})
            status = answer.status
            if status < 300 and dice.random() < 0.3:
                status = caller.send("DELETE", f"/v1/customers/{answer.body['id']}").status
        elif way == 1:
            items = [{"op": "upsert", "source": "shop", "external_id": str(dice.randrange(40)), "data": {"owner": name}} for _ in range(10)]
            status = caller.send("POST", "/v1/customers/batch?deleted=restore", {"items": items}).status
        elif way == 2:
            lines = [{"external_id": str(dice.randrange(60)), "owner": name, "op": dice.choice(["upsert", "delete"])} for _ in range(30)]
            status, body = post_stream(caller.server, "/v1/customers/import?source=shop&deleted=restore", caller.token, ndjson(lines))
            # A process takes two streams at once; a third one is to come again.
            status = 200 if status == 503 and b"streams_busy" in body else status
        else:
            status = caller.post({"owner": name}).status
        if status >= 500:
            refused.append((way, status))


class TestExportWhileOthersWrite:
    def test_the_export_and_the_feed_behind_it_are_the_state(self, app: Flask, live: LiveServer, api: Api) -> None:
        caller = Caller(live, make_token(app, "*"))
        refused: list[Any] = []
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=write, args=(caller, number, until, refused)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        copies = []
        while time.monotonic() < until:
            response = api.get("/v1/customers/export?deleted=include")
            copies.append((response.headers["Kehu-Position"], response.get_data()))
            time.sleep(0.2)
        for thread in threads:
            thread.join()
        present = {row["id"]: row for row in export(api, deleted="include")}

        counts = [_compare(api, position, answer, present) for position, answer in copies]

        assert refused == []
        assert len(copies) > 5
        assert counts == [{"missed": 0, "doubled": 0, "wrong": 0}] * len(copies)


def _compare(api: Api, position: str, answer: bytes, present: dict[str, Any]) -> dict[str, int]:
    """How many events are missing behind an export, how many tell what it shows already, and how many customers differ in the end."""
    copy = _read(answer)
    counts = {"missed": 0, "doubled": 0, "wrong": 0}
    for event in follow(api, position, types="customer.*", limit=1000):
        customer_id, after = event["subject"].removeprefix("customers/"), event["data"]["after"]
        had = copy.get(customer_id, {}).get("version", 0)
        counts["doubled"] += after["version"] <= had
        counts["missed"] += max(0, after["version"] - had - 1)
        copy[customer_id] = {**copy.get(customer_id, {}), **after}
    counts["wrong"] = sum(_without_metrics(copy.get(one)) != _without_metrics(row) for one, row in present.items())
    return counts


def _read(answer: bytes) -> dict[str, Any]:
    rows = [orjson.loads(line) for line in answer.splitlines()]
    return {row["id"]: row for row in rows}


def _without_metrics(row: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (row or {}).items() if name != "metrics"}
