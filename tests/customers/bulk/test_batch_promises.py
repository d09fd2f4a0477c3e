"""Protects what a batch promises beside its items: all or nothing, versions, keys, and that two of them never wait in a circle."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from flask import Flask

from app.factory import create_app
from tests import builders
from tests.builders import customer, events
from tests.client import Api, make_token, problem
from tests.conftest import config_for
from tests.customers.bulk.calls import batch, codes, everything, statuses
from tests.faults.calls import Caller, at_once
from tests.live import LiveServer


def upsert(external_id: str, **data: Any) -> dict[str, Any]:
    return {"op": "upsert", "source": "shop", "external_id": external_id, "data": data}


class TestAtomic:
    def test_where_all_are_sound_all_are_written(self, api: Api) -> None:
        response = api.post("/v1/customers/batch?atomic=true", {"items": [upsert("1"), upsert("2"), upsert("1", owner="anna")]})

        assert response.status_code == 207
        assert statuses(response.json["results"]) == [201, 201, 200]
        assert events(api.app) == ["customer.created", "customer.created", "customer.updated"]

    def test_everything_that_stood_in_the_way_is_said(self, api: Api) -> None:
        customer(api, external_ids={"shop": "taken"})
        before = everything(api.app)

        items = [upsert("1", email="x"), upsert("2"), {"op": "create", "source": "shop", "external_id": "taken"}, {"op": "upsert"}]
        response = api.post("/v1/customers/batch?atomic=true", {"items": items})

        document = problem(response)
        assert (response.status_code, document["code"]) == (409, "batch_refused")
        told = {refused["index"]: (refused["problem"]["status"], refused["problem"]["code"]) for refused in document["refused"]}
        assert told == {0: (422, "invalid"), 2: (409, "external_id_taken"), 3: (422, "invalid")}
        assert {fault["pointer"] for fault in document["errors"]} == {"/items/0/data/email", "/items/3"}
        assert everything(api.app) == before

    def test_an_ambiguous_match_is_409_with_its_candidates(self, api: Api) -> None:
        family = {customer(api, email="mei@shop.example")["id"] for _ in range(2)}
        before = everything(api.app)

        items = [upsert("2"), {**upsert("1", email="mei@shop.example"), "match": "email"}]
        response = api.post("/v1/customers/batch?atomic=true", {"items": items})

        assert response.status_code == 409
        assert {one["customer_id"] for one in problem(response)["refused"][0]["problem"]["candidates"]} == family
        assert everything(api.app) == before


class TestVersions:
    def test_an_item_is_held_against_the_version_that_it_meets(self, api: Api) -> None:
        made = customer(api)

        def change(owner: str, version: int) -> dict[str, Any]:
            return {"op": "update", "id": made["id"], "data": {"owner": owner}, "if_version": version}

        results = batch(api, change("a", 1), change("b", 1), change("c", 2), {"op": "delete", "id": made["id"], "if_version": 2})

        assert statuses(results) == [200, 412, 200, 412]
        assert results[1]["problem"]["version"] == 2
        assert api.get(f"/v1/customers/{made['id']}").json["owner"] == "c"

    def test_who_demands_versions_gets_428_for_each_item_without(self, app: Flask, database_url: str) -> None:
        strict = create_app(config_for(database_url, require_if_match=True))
        api = Api(strict)
        made = customer(api, external_ids={"shop": "1"})

        results = batch(
            api,
            upsert("1", owner="a"),
            {"op": "update", "id": made["id"], "data": {"owner": "b"}},
            {"op": "delete", "id": made["id"]},
            {**upsert("1", owner="c"), "if_version": 1},
            upsert("2"),
            {"op": "create"},
        )

        strict.extensions["kehu"].database.close()
        assert statuses(results) == [428, 428, 428, 200, 201, 201]
        assert set(codes(results)) == {"if_match_required", None}


class TestIdempotency:
    def test_a_batch_sent_again_with_its_key_is_replayed(self, api: Api) -> None:
        body = {"items": [{"op": "create", "data": {"given_name": "Li"}}, {"op": "upsert"}, upsert("1")]}
        first = api.post("/v1/customers/batch", body, headers={"Idempotency-Key": "k"})

        second = api.post("/v1/customers/batch", body, headers={"Idempotency-Key": "k"})

        assert (second.status_code, second.headers["Idempotency-Replayed"]) == (207, "true")
        assert second.json == first.json
        assert second.headers["Kehu-Position"] == first.headers["Kehu-Position"]
        assert events(api.app) == ["customer.created", "customer.created"]

    def test_another_batch_with_the_key_is_422(self, api: Api) -> None:
        api.post("/v1/customers/batch", {"items": [upsert("1")]}, headers={"Idempotency-Key": "k"})

        response = api.post("/v1/customers/batch", {"items": [upsert("2")]}, headers={"Idempotency-Key": "k"})

        assert problem(response)["code"] == "idempotency_key_reused"
        assert response.status_code == 422

    def test_a_refused_one_left_nothing_behind_and_is_executed_afresh(self, api: Api) -> None:
        body = {"items": [{"op": "update", "source": "shop", "external_id": "1", "data": {"owner": "anna"}}]}
        refused = api.post("/v1/customers/batch?atomic=true", body, headers={"Idempotency-Key": "k"})
        api.put("/v1/customers/by/shop/1", {})

        response = api.post("/v1/customers/batch?atomic=true", body, headers={"Idempotency-Key": "k"})

        assert (refused.status_code, response.status_code) == (409, 207)
        assert "Idempotency-Replayed" not in response.headers


class TestLookup:
    def test_in_the_order_asked_for_and_null_where_there_is_none(self, api: Api) -> None:
        one = customer(api, external_ids={"shop": "1"})
        gone = customer(api, external_ids={"shop": "2"})
        api.delete(f"/v1/customers/{gone['id']}")
        items = [
            {"source": "shop", "external_id": "2"},
            {"id": one["id"]},
            {"source": "shop", "external_id": "9"},
            {"source": "shop", "external_id": "1"},
            {"id": gone["id"]},
        ]

        response = api.post("/v1/customers/lookup", {"items": items})

        assert response.status_code == 200
        assert response.json == {"data": [None, one, None, one, None]}

    @pytest.mark.parametrize(
        ("items", "pointer"),
        [
            ([], "/items"),
            ([{}] * 1001, "/items"),
            ([{"source": "shop"}], "/items/0/external_id"),
            ([{"id": "01890000-0000-7000-8000-000000000000"}, {}], "/items/1"),
            ([{"id": "01890000-0000-7000-8000-000000000000", "source": "shop", "external_id": "1"}], "/items/0/id"),
        ],
    )
    def test_what_is_malformed_is_422(self, api: Api, items: Any, pointer: str) -> None:
        response = api.post("/v1/customers/lookup", {"items": items})

        assert response.status_code == 422
        assert pointer in {fault["pointer"] for fault in problem(response)["errors"]}


@pytest.fixture
def caller(app: Flask, live: LiveServer) -> Caller:
    return Caller(live, make_token(app, "*"))


class TestOrderOfLocks:
    def test_batches_in_opposite_order_never_wait_in_a_circle(self, app: Flask, caller: Caller) -> None:
        keys = [str(number) for number in range(30)]
        made = caller.send("POST", "/v1/customers/batch", {"items": [upsert(key) for key in keys]})
        ids = [result["id"] for result in made.body["results"]]
        before = deadlocks(app)

        def send(order: int, number: int) -> int:
            by_key = [upsert(key, owner=f"{order} {number}", email=f"{key}@shop.example") for key in keys[::order]]
            new = [{**upsert(f"new {key}", email=f"{key}@new.example"), "match": "email"} for key in keys[::order]]
            by_id = [{"op": "update", "id": one, "data": {"given_name": f"{order} {number}"}} for one in ids[::order]]
            answer = caller.send("POST", "/v1/customers/batch", {"items": [*by_key, *new, *by_id]})
            assert answer.status == 207, answer
            return max(statuses(answer.body["results"]))

        rounds = [at_once(*[lambda i=i, n=n: send((1, -1)[i % 2], n * 4 + i) for i in range(4)]) for n in range(8)]

        assert Counter(status for found in rounds for status in found).keys() <= {200, 201}
        counts = builders.rows(app, "SELECT count(*), count(DISTINCT email) FROM customers WHERE email LIKE '%@new.example'")[0]
        assert tuple(counts) == (30, 30)
        wrong = builders.rows(
            app,
            "SELECT 1 FROM (SELECT subject, (data::json->'after'->>'version')::int AS version,"
            " row_number() OVER (PARTITION BY subject ORDER BY xid, id) AS nth FROM events WHERE type LIKE 'customer.%') e"
            " WHERE version <> nth",
        )
        assert wrong == []
        assert deadlocks(app) == before


def deadlocks(app: Flask) -> int:
    return int(builders.rows(app, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0])
