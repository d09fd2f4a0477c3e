"""Protects the promise that a write is decided alike by whichever way it comes in: alone, as an item of a batch, as a line of an import."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.builders import LONG_AGO, execute, insert_customers, rows
from tests.client import Api
from tests.conftest import DATA_TABLES
from tests.contact_history.bulk.calls import batch, check_metrics, load

# KEHU_TEST_EXAMPLES=2000 for the long run.
EXAMPLES = int(os.environ.get("KEHU_TEST_EXAMPLES", "60"))
ALIKE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

# There before the first write: two customers, one of them deleted, and three interactions, so that items can name them by id.
OWNERS = [f"01890000-0000-7000-8000-00000000000{number}" for number in range(3)]
SEEDED: list[dict[str, Any]] = [
    {"id": UUID(OWNERS[0]), "external_ids": {"crm": "1"}},
    {"id": UUID(OWNERS[1]), "external_ids": {"crm": "2"}},
    {"id": UUID(OWNERS[2]), "external_ids": {"crm": "3"}, "deleted_at": LONG_AGO},
]
ENTRIES: list[dict[str, Any]] = [
    {"customer": {"source": "crm", "external_id": "1"}, "kind": "order", "occurred_at": "2024-01-03T00:00:00Z", "external_id": "1"},
    {"customer": {"source": "crm", "external_id": "2"}, "kind": "call", "occurred_at": "2024-01-02T00:00:00Z", "external_id": "2"},
]
NOBODY = "01890000-0000-7000-8000-0000000000ff"

_external_ids = st.sampled_from(["1", "2", "3"])
_owners = st.sampled_from(
    [
        *({"customer_id": owner} for owner in [*OWNERS, NOBODY]),
        *({"customer": {"source": "crm", "external_id": key}} for key in ("1", "2", "3", "4", "5")),
        {},
        {"customer_id": OWNERS[0], "customer": {"source": "crm", "external_id": "1"}},
    ]
)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["order", "order", "return", "call"]),
        "direction": st.sampled_from(["inbound", "outbound", None]),
        "occurred_at": st.integers(1, 5).map(lambda day: f"2024-01-0{day}T00:00:00Z"),
        "amount": st.sampled_from(["10.00", "-10.00", "0.1", "0", None]),
        "currency": st.sampled_from(["EUR", "EUR", "JPY", None]),
        "subject": st.sampled_from(["a", "b", None]),
        "attributes": st.sampled_from([{"x": 1}, {"x": None}, None]),
    },
)
# Most have what a new one needs.
_data = st.builds(lambda kind, fields, owner: kind | fields | owner, st.sampled_from([{}, {"kind": "order"}]), _fields, _owners)
_keys = st.sampled_from([{}, {}, {"external_id": "1", "source": "shop"}, {"external_id": "3", "source": "shop"}, {"external_id": None}])
_versions = st.sampled_from([None, None, None, 1, 2, 3])
_entries = st.sampled_from([0, 1, 2])


def _item(required: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required).map(lambda item: {name: value for name, value in item.items() if value is not None})


_by_key = {"source": st.just("shop"), "external_id": _external_ids}
_with_keys = st.builds(lambda data, keys: data | keys, _data, _keys)
_items = st.one_of(
    _item({"op": st.sampled_from(["upsert", "upsert", "create", "update"]), **_by_key, "data": _data, "if_version": _versions}),
    _item({"op": st.just("create"), "data": _with_keys}),
    _item({"op": st.sampled_from(["update", "upsert"]), "id": _entries, "data": _with_keys, "if_version": _versions}),
    _item({"op": st.just("delete"), "id": _entries, "if_version": _versions}),
    _item({"op": st.just("delete"), **_by_key, "if_version": _versions}),
)
_lines = st.one_of(
    _item({"op": st.just("upsert"), **_by_key, "data": _data}),
    _item({"op": st.just("delete"), **_by_key}),
)
# Of few different lines, so that the same is sent again.
_sent_lines = st.lists(_lines, min_size=1, max_size=4).flatmap(lambda pool: st.lists(st.sampled_from(pool), min_size=2, max_size=10))
_queries = st.sampled_from([{}, {"create_missing": "true"}, {"deleted": "restore"}, {"create_missing": "true", "deleted": "restore"}])


def alone(api: Api, items: Sequence[dict[str, Any]], query: dict[str, str]) -> list[tuple[int, Any]]:
    return [_single(api, item, query) for item in items]


def together(api: Api, items: Sequence[dict[str, Any]], query: dict[str, str]) -> list[tuple[int, Any]]:
    return [_told(result["status"], result.get("problem")) for result in batch(api, *items, **query)]


def _single(api: Api, item: dict[str, Any], query: dict[str, str]) -> tuple[int, Any]:
    """The same write by the call that is made for it."""
    data, headers = item.get("data", {}), {"If-Match": f'"{item["if_version"]}"'} if "if_version" in item else {}
    by_key = f"/v1/contact-history/by/{item['source']}/{item['external_id']}" if "source" in item else None
    restoring = {name: value for name, value in query.items() if name == "deleted"}
    if item["op"] == "delete":
        entry_id = item.get("id")
        if by_key is not None:
            found = api.get(by_key)
            if found.status_code == 404 or found.json.get("code") == "customer_deleted":
                return _told(found.status_code, found.json)
            entry_id = found.json["id"] if found.status_code == 200 else found.json["existing_id"]
        response = api.delete(f"/v1/contact-history/{entry_id}", headers=headers)
        return _told(response.status_code, response.json)
    if by_key is not None:
        response = api.put(by_key, data, query_string={"mode": item["op"], **query}, headers=headers)
    elif "id" in item:
        response = api.patch(f"/v1/contact-history/{item['id']}", data, query_string=restoring, headers=headers)
    else:
        return _append(api, data, query)
    return _told(response.status_code, response.json)


def _append(api: Api, data: dict[str, Any], query: dict[str, str]) -> tuple[int, Any]:
    """As a batch of its own: the timeline of a customer takes neither a `customer` nor one that is to be made."""
    (result,) = batch(api, {"op": "create", "data": data}, **query)
    return _told(result["status"], result.get("problem"))


def _told(status: int, document: Any) -> tuple[int, Any]:
    """What callers decide by: which ids are meant is compared by what is there in the end."""
    if status < 300 or document is None:
        return status, None
    return status, (document["code"], [(fault["pointer"].removeprefix("/data"), fault["code"]) for fault in document.get("errors", [])])


def run(api: Api, items: Sequence[dict[str, Any]], write: Callable[[Sequence[dict[str, Any]]], Any]) -> tuple[Any, Any]:
    """What `write` is answered over the seeds alone, and what is there afterwards."""
    app = api.app
    execute(app, f"TRUNCATE {DATA_TABLES}")
    insert_customers(app, SEEDED)
    seeds = [api.put(f"/v1/contact-history/by/shop/{entry['external_id']}", entry).json["id"] for entry in ENTRIES]
    execute(app, "TRUNCATE events")
    ids = [*seeds, NOBODY]
    answers = write([{**item, "id": ids[item["id"]]} if "id" in item else item for item in items])
    check_metrics(app)
    return answers, state(app)


def state(app: Flask) -> dict[str, Any]:
    """Interactions, customers, keys and events, with names in place of ids, and without times of writing."""
    names = {UUID(owner): f"owner {number}" for number, owner in enumerate(OWNERS)}
    for row in rows(app, "SELECT id FROM customers ORDER BY id"):
        names.setdefault(row.id, f"owner {len(names)}")
    entries = rows(app, "SELECT e.*, amount::text AS exact, deleted_at IS NOT NULL AS is_deleted FROM contact_history e ORDER BY id")
    numbers = {row.id: f"entry {number}" for number, row in enumerate(entries)}
    hidden = ("id", "xid", "customer_id", "created_at", "updated_at", "deleted_at", "synced_digest", "amount")
    shown = {
        numbers[row.id]: {
            **{name: value for name, value in row._mapping.items() if name not in hidden},
            "owner": names[row.customer_id],
            # Of which no time was said is of the present.
            "occurred_at": row.occurred_at if row.occurred_at.year == LONG_AGO.year else "now",
        }
        for row in entries
    }
    keys = {
        (row.source, row.external_id): (names[row.customer_id], numbers[row.entry_id])
        for row in rows(app, "SELECT * FROM contact_history_keys")
    }
    copied = {(entry["source"], entry["external_id"]): (entry["owner"], name) for name, entry in shown.items() if entry["external_id"]}
    assert {key: held for key, held in copied.items() if key[0] is not None} == keys
    told: dict[str, list[Any]] = {}
    metrics: dict[str, Any] = {}
    for row in rows(app, "SELECT type, subject, data::json AS data FROM events ORDER BY xid, id"):
        kind, _, key = row.subject.partition("/")
        if kind == "contact-history":
            told.setdefault(numbers[UUID(key)], []).append((row.type, row.data["changed"], row.data["after"]["version"]))
        elif row.type == "customer.metrics_changed":
            metrics[names[UUID(key)]] = row.data["after"]["metrics"]
        else:
            told.setdefault(names[UUID(key)], []).append(row.type)
    owners = {
        names[row.id]: (row.external_ids, row.version, row.contact_count, row.order_count, row.order_total)
        for row in rows(app, "SELECT * FROM customers")
    }
    # A reader of the feed ends with what is there; how many steps there were is the caller's own doing.
    for row in rows(app, "SELECT * FROM customers"):
        if names[row.id] in metrics and metrics[names[row.id]]["contact_count"] != row.contact_count:
            raise AssertionError(metrics[names[row.id]])
    return {"entries": shown, "keys": keys, "events": told, "owners": owners}


def as_lines(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of a batch as lines of an import."""
    return [{**{name: value for name, value in item.items() if name != "data"}, **item.get("data", {})} for item in items]


class TestAlike:
    @ALIKE
    @given(items=st.lists(_items, min_size=1, max_size=10), query=_queries)
    def test_one_by_one_and_as_one_batch(self, api: Api, items: list[dict[str, Any]], query: dict[str, str]) -> None:
        single = run(api, items, lambda named: alone(api, named, query))

        batched = run(api, items, lambda named: together(api, named, query))

        assert batched == single
        for status, _ in single[0]:
            event(f"{status}")

    @ALIKE
    @given(items=_sent_lines, query=_queries, cut=st.integers(0, 10), twice=st.booleans())
    def test_one_by_one_and_as_the_lines_of_imports(
        self, api: Api, items: list[dict[str, Any]], query: dict[str, str], cut: int, twice: bool
    ) -> None:
        if twice:
            items = [*items[:cut], *items]
        single = run(api, items, lambda named: alone(api, named, query))

        # In two calls, so that the second meets what the first has left.
        halves = run(api, items, lambda named: [load(api, *part, **query) for part in (as_lines(named)[:cut], as_lines(named)[cut:])])

        results = [_told(result["status"], result.get("problem")) for half in halves[0] for result in half.results]
        assert (results, halves[1]) == single
        for half in halves[0]:
            for outcome in half.outcomes:
                event(outcome)


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(
            [
                {"op": "update", "id": 0, "data": {"external_id": None}},
                {"op": "update", "id": 1, "data": {"external_id": "1"}},
                {"op": "upsert", "source": "shop", "external_id": "1", "data": {"kind": "order", "customer_id": OWNERS[0]}},
                {"op": "upsert", "source": "shop", "external_id": "2", "data": {"kind": "order", "customer_id": OWNERS[0]}},
            ],
            id="an id that moves",
        ),
        pytest.param(
            [
                {"op": "delete", "id": 0},
                {"op": "upsert", "id": 0, "data": {"customer_id": OWNERS[1]}},
                {"op": "create", "data": {"kind": "order", "customer": {"source": "crm", "external_id": "9"}, "external_id": "1"}},
            ],
            id="what is withdrawn",
        ),
    ],
)
def test_by_example(api: Api, items: list[dict[str, Any]]) -> None:
    single = run(api, items, lambda named: alone(api, named, {"create_missing": "true"}))

    batched = run(api, items, lambda named: together(api, named, {"create_missing": "true"}))

    assert batched == single
