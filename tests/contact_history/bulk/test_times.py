"""The times of what many writes at once have made: one moment for the row and its event, and kept by what moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from app.core.times import parse_timestamp
from tests.builders import customer
from tests.client import Api
from tests.contact_history.bulk.calls import batch, load

LINE = {"external_id": "1", "kind": "order", "customer": {"source": "shop", "external_id": "7"}}
ITEM = {"op": "upsert", "source": "shop", "external_id": "1", "data": {"kind": "order", "customer": LINE["customer"]}}
WAYS: Mapping[str, Callable[[Api], object]] = {
    "import": lambda api: load(api, LINE, create_missing="true"),
    "batch": lambda api: batch(api, ITEM, create_missing="true"),
}


def told(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/changes", query_string={"limit": 1000}).json["data"]
    return [event for event in found if not event["type"].startswith("token.")]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_new_has_the_time_of_its_event(api: Api, way: str) -> None:
    WAYS[way](api)
    entry = api.get("/v1/contact-history/by/shop/1").json
    owner = api.get("/v1/customers/by/shop/7").json
    events = told(api)

    made = {event["type"]: event["data"]["after"] for event in events if event["data"]["before"] is None}
    assert set(made) == {"customer.created", "contact_history.created"}
    for shown, event in ((entry, made["contact_history.created"]), (owner, made["customer.created"])):
        assert shown["created_at"] == shown["updated_at"] == event["created_at"] == event["updated_at"]
    assert {parse_timestamp(event["time"]) for event in events} == {parse_timestamp(entry["created_at"])}


def test_what_moves_keeps_when_it_was_made(api: Api) -> None:
    WAYS["import"](api)
    before = api.get("/v1/contact-history/by/shop/1").json
    other = customer(api)["id"]

    (result,) = batch(api, {"op": "update", "id": before["id"], "data": {"customer_id": other}})
    after = api.get("/v1/contact-history/by/shop/1").json

    assert (result["outcome"], after["customer_id"]) == ("updated", other)
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] > before["updated_at"]
    assert told(api)[-1]["time"] >= after["updated_at"]
