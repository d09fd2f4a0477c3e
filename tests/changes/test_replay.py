"""Protects the feed's completeness: who reads it from the beginning and applies every event has the present state of every customer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from examples import mirror
from tests.client import Api


def present_state(api: Api) -> dict[str, dict[str, Any]]:
    """Every customer, deleted or not, by id, without the metrics."""
    found: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = api.get("/v1/customers", query_string={"deleted": "include", "limit": 7, **cursor}).json
        found |= {item["id"]: {name: value for name, value in item.items() if name != "metrics"} for item in page["data"]}
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def write_at_random(api: Api, dice: random.Random) -> None:
    """Some change or other, refused ones included, to one of a few customers."""
    number = dice.randrange(12)
    by_key = f"/v1/customers/by/shop/{number}"
    name = dice.choice(["Li", "伟", None, "José"])
    kind = dice.randrange(8)
    if kind <= 2:
        fields = {"given_name": name, "tags": dice.sample(["a", "b", "c"], 2), "attributes": {"x": dice.choice([1, True, "1", None])}}
        api.put(f"{by_key}?deleted=restore", fields)
    elif kind == 3:
        api.put(by_key, {"source_updated_at": f"2026-01-{dice.randrange(10, 28)}T00:00:00+08:00", "family_name": name})
    elif kind == 4:
        api.post("/v1/customers", {"external_ids": {"erp": str(number)}, "addresses": [{"city": name, "country": "CN"}]})
    else:
        found = api.get(by_key)
        if found.status_code == 200:
            path = f"/v1/customers/{found.json['id']}"
            if kind == 5:
                api.patch(path, {"email": f"{number}@example.com", "external_ids": {"erp": str(dice.randrange(12))}})
            elif kind == 6:
                api.delete(path)
            else:
                api.delete(by_key)


class TestReplay:
    def test_applying_every_event_gives_the_present_state(self, api: Api, tmp_path: Path) -> None:
        dice = random.Random(7)
        copy = mirror.open_mirror(str(tmp_path / "mirror.sqlite"))
        rounds = []
        for _ in range(4):
            for _ in range(60):
                write_at_random(api, dice)

            before: str | None = "not yet"
            while before != mirror.position(copy):
                before = mirror.position(copy)
                query = {"types": mirror.TYPES, "limit": 20} | ({"after": before} if before else {})
                mirror.apply_page(copy, api.get("/v1/changes", query_string=query).json)

            mirrored = {row[0]: json.loads(row[1]) for row in copy.execute("SELECT id, customer FROM customers")}
            rounds.append((mirrored, present_state(api)))
        copy.close()

        for mirrored, present in rounds:
            assert mirrored == present
        assert any(customer["deleted_at"] for customer in rounds[-1][1].values())
