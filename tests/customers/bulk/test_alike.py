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

from app.db import copying
from tests.builders import execute, insert_customers, rows
from tests.client import Api
from tests.conftest import DATA_TABLES
from tests.customers.bulk.calls import batch, load

# KEHU_TEST_EXAMPLES=2000 for the long run.
EXAMPLES = int(os.environ.get("KEHU_TEST_EXAMPLES", "60"))
ALIKE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True, params=[1, 100], ids=["sent at once", "sent at the end"])
def _sent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new goes to the database while the next is decided, which must not show."""
    monkeypatch.setattr(copying, "ROWS", request.param)


# There before the first write, so that its items can name them by id.
SEEDS = [f"01890000-0000-7000-8000-00000000000{number}" for number in range(3)]
SEEDED: list[dict[str, Any]] = [
    {"id": UUID(SEEDS[0]), "email": "A@x.example", "email_key": "a@x.example", "external_ids": {"shop": "1"}, "country": "CN"},
    {"id": UUID(SEEDS[1]), "phone": "+8613812345678", "external_ids": {"erp": "1"}, "country": "CN"},
    {"id": UUID(SEEDS[2]), "external_ids": {"shop": "2", "erp": "2"}},
]
NOBODY = "01890000-0000-7000-8000-0000000000ff"

_sources = st.sampled_from(["shop", "erp"])
_external_ids = st.sampled_from(["1", "2", "3"])
_matches = st.sampled_from([None, None, "email", "phone", "email,phone", "phone,email"])
_data = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@x.example", "A@X.example", "b@x.example", "nobody", None]),
        "phone": st.sampled_from(["+8613812345678", "138 1234 5678", "+44 20 7946 0958", "020 7946 0958", None]),
        "country": st.sampled_from(["CN", "GB", None]),
        "given_name": st.sampled_from(["伟", "Li", None]),
        "tags": st.lists(st.sampled_from(["a", "b"]), unique=True, max_size=2),
        "attributes": st.sampled_from([{"x": 1}, {"x": True}, {"x": None}, {"y": ["1"]}, None]),
        "source_updated_at": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T08:00:00+08:00", None]),
        "external_ids": st.one_of(
            st.none(), st.dictionaries(st.sampled_from(["shop", "erp", "crm"]), st.sampled_from(["1", "2", "3", None]), max_size=2)
        ),
        "organization_id": st.sampled_from([*SEEDS, NOBODY, None]),
        "source": st.sampled_from(["fair", None]),
    },
)
_versions = st.sampled_from([None, None, None, 1, 2, 3])
_ids = st.sampled_from([*SEEDS, NOBODY])


def _item(required: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required).map(lambda item: {name: value for name, value in item.items() if value is not None})


_items = st.one_of(
    _item(
        {
            "op": st.sampled_from(["upsert", "upsert", "create", "update"]),
            "source": _sources,
            "external_id": _external_ids,
            "data": _data,
            "match": _matches,
            "if_version": _versions,
        }
    ),
    _item({"op": st.just("create"), "data": _data, "match": _matches}),
    _item({"op": st.sampled_from(["update", "upsert"]), "id": _ids, "data": _data, "match": _matches, "if_version": _versions}),
    _item({"op": st.just("delete"), "id": _ids, "if_version": _versions}),
    _item({"op": st.just("delete"), "source": _sources, "external_id": _external_ids, "if_version": _versions}),
)
_line_data = _data.map(lambda data: {name: value for name, value in data.items() if name != "source"})
_lines = st.one_of(
    _item({"op": st.just("upsert"), "source": _sources, "external_id": _external_ids, "data": _line_data}),
    _item({"op": st.just("upsert"), "source": st.just("shop"), "external_id": st.just("1"), "data": _line_data}),
    _item({"op": st.just("delete"), "source": _sources, "external_id": _external_ids}),
)
# Of few different lines, so that the same is sent again.
_sent_lines = st.lists(_lines, min_size=1, max_size=4).flatmap(lambda pool: st.lists(st.sampled_from(pool), min_size=2, max_size=8))
_restores = st.booleans()


def alone(api: Api, items: Sequence[dict[str, Any]], restore: bool) -> list[tuple[int, Any]]:
    return [_single(api, item, {"deleted": "restore"} if restore else {}) for item in items]


def together(api: Api, items: Sequence[dict[str, Any]], restore: bool) -> list[tuple[int, Any]]:
    return [_told(result["status"], result.get("problem")) for result in batch(api, *items, **_restoring(restore))]


def _single(api: Api, item: dict[str, Any], query: dict[str, str]) -> tuple[int, Any]:
    """The same write by the call that is made for it."""
    data, headers = item.get("data", {}), {"If-Match": f'"{item["if_version"]}"'} if "if_version" in item else {}
    matching = {"match": item["match"]} if "match" in item else {}
    by_key = f"/v1/customers/by/{item['source']}/{item['external_id']}" if "source" in item else None
    if item["op"] == "delete":
        customer_id = item.get("id")
        if by_key is not None:
            found = api.get(by_key)
            if found.status_code == 404:
                return _told(404, found.json)
            customer_id = found.json["id"] if found.status_code == 200 else found.json["existing_id"]
        response = api.delete(f"/v1/customers/{customer_id}", headers=headers)
        return _told(response.status_code, response.json)
    if by_key is not None:
        response = api.put(by_key, data, query_string={"mode": item["op"], **matching, **query}, headers=headers)
    elif "id" in item:
        response = api.patch(f"/v1/customers/{item['id']}", data, query_string={**matching, **query}, headers=headers)
    else:
        response = api.post("/v1/customers", data, query_string=matching)
    return _told(response.status_code, response.json)


def _told(status: int, document: Any) -> tuple[int, Any]:
    """What callers decide by: which ids are meant is compared by what is there in the end."""
    if status < 300 or document is None:
        return status, None
    faults = [(fault["pointer"].removeprefix("/data"), fault["code"]) for fault in document.get("errors", [])]
    matched = [candidate["matched_on"] for candidate in document.get("candidates", [])]
    return status, (document["code"], faults, matched)


def _restoring(restore: bool) -> dict[str, str]:
    return {"deleted": "restore"} if restore else {}


def run(app: Flask, write: Callable[[], Any]) -> tuple[Any, Any]:
    """What `write` is answered over the seeds alone, and what is there afterwards."""
    execute(app, f"TRUNCATE {DATA_TABLES}")
    insert_customers(app, SEEDED)
    answers = write()
    return answers, state(app)


def state(app: Flask) -> dict[str, Any]:
    """Customers, keys and events, with names in place of ids, and without times."""
    names = {f"customers/{seed}": f"seed {number}" for number, seed in enumerate(SEEDS)}
    told: dict[str, list[Any]] = {}
    for row in rows(app, "SELECT type, subject, data::json AS data FROM events WHERE type LIKE 'customer.%' ORDER BY xid, id"):
        name = names.setdefault(row.subject, f"new {len(names)}")
        after = {key: value for key, value in row.data["after"].items() if key not in ("id", "created_at", "updated_at", "deleted_at")}
        told.setdefault(name, []).append((row.type, row.data["changed"], after))
    columns = "c.*, deleted_at IS NOT NULL AS deleted"
    customers = {}
    for row in rows(app, f"SELECT {columns} FROM customers c"):
        hidden = ("id", "xid", "created_at", "updated_at", "deleted_at", "synced_digest")
        customers[names[f"customers/{row.id}"]] = {name: value for name, value in row._mapping.items() if name not in hidden}
    keys = {
        (row.source, row.external_id): names[f"customers/{row.customer_id}"]
        for row in rows(app, "SELECT source, external_id, customer_id FROM customer_keys")
    }
    copied = {(source, key): name for name, row in customers.items() for source, key in row["external_ids"].items()}
    assert copied == keys
    return {"customers": customers, "keys": keys, "events": told}


def as_lines(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of a batch as lines of an import."""
    return [{**{name: value for name, value in item.items() if name not in ("data", "match")}, **item.get("data", {})} for item in items]


class TestAlike:
    @ALIKE
    @given(items=st.lists(_items, min_size=1, max_size=10), restore=_restores)
    def test_one_by_one_and_as_one_batch(self, api: Api, items: list[dict[str, Any]], restore: bool) -> None:
        single = run(api.app, lambda: alone(api, items, restore))

        batched = run(api.app, lambda: together(api, items, restore))

        assert batched == single
        for status, _ in single[0]:
            event(f"{status}")

    @ALIKE
    @given(items=_sent_lines, restore=_restores, match=_matches, cut=st.integers(0, 8), twice=st.booleans())
    def test_one_by_one_and_as_the_lines_of_imports(
        self, api: Api, items: list[dict[str, Any]], restore: bool, match: str | None, cut: int, twice: bool
    ) -> None:
        items = [item if match is None else {**item, "match": match} for item in items]
        if twice:
            items = [*items[:cut], *items]
        lines = as_lines(items)
        query = _restoring(restore) | ({} if match is None else {"match": match})
        single = run(api.app, lambda: alone(api, items, restore))

        # In two calls, so that the second meets what the first has left.
        halves = run(api.app, lambda: [load(api, *part, **query) for part in (lines[:cut], lines[cut:])])

        results = [_told(result["status"], result.get("problem")) for half in halves[0] for result in half.results]
        assert (results, halves[1]) == single
        for half in halves[0]:
            for outcome in half.outcomes:
                event(outcome)


@pytest.mark.parametrize(
    ("name", "items"),
    {
        "the country of whom a phone is of": [
            {"op": "update", "id": SEEDS[0], "match": "phone", "data": {"phone": "138 1234 5678"}},
            {"op": "update", "id": SEEDS[0], "match": "email,phone", "data": {"email": "b@x.example", "phone": "139 1234 5678"}},
        ],
        "an id that moves": [
            {"op": "update", "id": SEEDS[0], "data": {"external_ids": {"shop": None}}},
            {"op": "update", "id": SEEDS[1], "data": {"external_ids": {"shop": "1"}}},
            {"op": "upsert", "source": "shop", "external_id": "1", "data": {"given_name": "moved"}},
            {"op": "upsert", "source": "shop", "external_id": "3", "match": "email", "data": {"email": "a@x.example"}},
        ],
    }.items(),
)
def test_by_example(api: Api, name: str, items: list[dict[str, Any]]) -> None:
    single = run(api.app, lambda: alone(api, items, False))

    batched = run(api.app, lambda: together(api, items, False))

    assert batched == single
