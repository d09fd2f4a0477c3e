"""Protects batches of interactions beside what `test_alike` shows: what holds for the whole call, and what it costs."""

from __future__ import annotations

import gc
from typing import Any

from flask import Flask

from app.contact_history.bulk.service import Item
from app.core.syncing import Done
from app.factory import create_app
from tests.builders import customer, entry, events, metrics, rows
from tests.client import Api, make_token, problem
from tests.conftest import config_for
from tests.contact_history.bulk.calls import batch, check_metrics
from tests.customers.bulk.calls import codes, statuses
from tests.tokens.test_look_up import statements


def order(external_id: str, owner: dict[str, Any], **fields: Any) -> dict[str, Any]:
    data = {"kind": "order", "occurred_at": "2024-01-01T00:00:00Z", "amount": "1.10", "currency": "EUR", **owner, **fields}
    return {"op": "upsert", "source": "shop", "external_id": external_id, "data": data}


def known_as(key: str) -> dict[str, Any]:
    return {"customer": {"source": "crm", "external_id": key}}


class TestBatch:
    def test_each_item_has_its_result_and_a_later_one_sees_an_earlier_one(self, api: Api) -> None:
        owner = {"customer_id": customer(api)["id"]}

        results = batch(
            api,
            {**order("1", owner), "client_ref": "a"},
            {**order("1", {}, amount="2.20"), "if_version": 1},
            {**order("1", {}, amount="3.30"), "if_version": 1},
            {"op": "create", "source": "shop", "external_id": "1", "data": {"kind": "call", **owner}},
            {"op": "delete", "source": "shop", "external_id": "1"},
            order("1", {}),
        )

        assert statuses(results) == [201, 200, 412, 409, 204, 410]
        assert codes(results) == [None, None, "version_mismatch", "external_id_taken", None, "contact_history_deleted"]
        assert results[0] == {"index": 0, "client_ref": "a", "status": 201, "outcome": "created", "id": results[0]["id"], "version": 1}
        assert results[3]["id"] == results[0]["id"]
        assert [result["version"] for result in results] == [1, 2, None, None, 3, None]

    def test_pointers_lead_into_the_item(self, api: Api) -> None:
        results = batch(api, order("1", known_as("nobody")), {**order("2", {}), "data": {"kind": "order", "amount": 5}}, {"op": "upsert"})

        pointers = [[fault["pointer"] for fault in result["problem"]["errors"]] for result in results]
        assert pointers == [["/data/customer"], ["/data/amount"], [""]]

    def test_the_metrics_of_a_customer_change_once(self, api: Api) -> None:
        first, second = customer(api), customer(api)
        kept = entry(api, second["id"], kind="order", occurred_at="2023-01-01T00:00:00Z", amount="5", currency="EUR")
        told = len(events(api.app))

        batch(
            api,
            *(order(str(number), {"customer_id": first["id"]}) for number in range(5)),
            {"op": "update", "id": kept["id"], "data": {"customer_id": first["id"]}},
        )

        assert events(api.app)[told:] == ["contact_history.created"] * 5 + ["contact_history.updated"] + ["customer.metrics_changed"] * 2
        assert metrics(api, first["id"])["order_total"] == {"EUR": "10.50"}
        assert metrics(api, second["id"])["first_order_at"] is None
        assert api.get(f"/v1/customers/{first['id']}").headers["ETag"] == '"1.1"'
        check_metrics(api.app)

    def test_what_comes_and_goes_in_one_batch_changes_no_metrics(self, api: Api) -> None:
        owner = customer(api)["id"]

        batch(api, order("1", {"customer_id": owner}), {"op": "delete", "source": "shop", "external_id": "1"})

        assert events(api.app) == ["customer.created", "contact_history.created", "contact_history.deleted"]
        assert api.get(f"/v1/customers/{owner}").headers["ETag"] == '"1.0"'


class TestAtomic:
    def test_where_one_is_refused_nothing_is_written(self, api: Api) -> None:
        owner = {"customer_id": customer(api)["id"]}

        response = api.post(
            "/v1/contact-history/batch?atomic=true&create_missing=true",
            {"items": [order("1", owner), order("2", known_as("9")), {**order("1", {}), "if_version": 9}]},
        )

        assert (response.status_code, problem(response)["code"]) == (409, "batch_refused")
        assert events(api.app) == ["customer.created"]

    def test_where_all_are_sound_all_are_written(self, api: Api) -> None:
        owner = {"customer_id": customer(api)["id"]}

        response = api.post("/v1/contact-history/batch?atomic=true", {"items": [order("1", owner), order("2", owner)]})

        assert statuses(response.json["results"]) == [201, 201]


class TestCreateMissing:
    def test_a_customer_is_made_once_and_never_for_what_is_refused(self, api: Api) -> None:
        refused = {"op": "create", "data": {"kind": "call", "source": "shop", "external_id": "1", **known_as("8")}}
        faulty = order("3", known_as("9"), amount="1", currency=None)

        results = batch(api, order("1", known_as("7")), order("2", known_as("7")), refused, faulty, create_missing="true")

        assert statuses(results) == [201, 201, 409, 422]
        assert [row.external_ids for row in rows(api.app, "SELECT external_ids FROM customers")] == [{"crm": "7"}]
        assert events(api.app)[0] == "customer.created"
        made = api.get("/v1/customers/by/crm/7").json
        assert (made["source"], made["metrics"]["order_total"]) == ("crm", {"EUR": "2.20"})

    def test_one_that_was_meant_for_what_is_refused_is_there_for_nobody(self, api: Api) -> None:
        owner = {"customer_id": customer(api)["id"]}
        entry_id = batch(api, order("1", owner))[0]["id"]
        refused = {"op": "create", "data": {"kind": "call", "source": "shop", "external_id": "1", **known_as("8")}}
        moved = {"op": "update", "id": entry_id, "data": known_as("8")}

        results = batch(api, refused, moved, order("2", known_as("8")), moved, create_missing="true")

        assert statuses(results) == [409, 422, 201, 200]
        assert results[1]["problem"]["errors"][0]["code"] == "customer_unknown"
        check_metrics(api.app)

    def test_it_takes_the_scope_to_make_customers(self, api: Api) -> None:
        writer = api.with_scopes("history:write")

        response = writer.post("/v1/contact-history/batch?create_missing=true", {"items": [order("1", known_as("7"))]})

        assert (response.status_code, problem(response)["scope"]) == (403, "customers:write")


class TestCost:
    def test_what_is_refused_keeps_nothing_of_the_rest_in_memory(self, api: Api) -> None:
        owner = {"customer_id": customer(api)["id"]}
        gone = {"customer_id": customer(api)["id"]}
        api.delete(f"/v1/customers/{gone['customer_id']}")
        gc.collect()
        gc.disable()

        try:
            batch(api, *(order(str(number), gone if number == 5 else owner) for number in range(20)))
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = [one for one in gc.garbage if isinstance(one, Done | Item)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

        assert left == []

    def test_a_thousand_items_take_as_many_statements_as_ten(self, api: Api) -> None:
        def upserts(count: int, amount: str) -> list[dict[str, Any]]:
            return [order(str(number), known_as(str(number % (count // 2))), amount=amount) for number in range(count)]

        counts = []
        for count, amount in ((10, "1"), (10, "2"), (1000, "3"), (1000, "4")):
            with statements(api.app, about="") as asked:
                results = batch(api, *upserts(count, amount), create_missing="true")
            assert {result["status"] for result in results} <= {200, 201}
            counts.append(len(asked))

        assert counts[3] == counts[1]
        # Of the third some are new, some change and some move, so that it does all that there can be to do.
        assert max(counts) == counts[2] < 20
        check_metrics(api.app)

    def test_a_thousand_changes_by_id_take_as_many_statements_as_thirty(self, api: Api) -> None:
        counts = []
        for count in (30, 500):
            made = batch(api, *(order(f"{count}-{number}", known_as("1")) for number in range(count)), create_missing="true")
            renamed = [{"op": "update", "id": one["id"], "data": {"external_id": f"{count}+{n}"}} for n, one in enumerate(made)]
            with statements(api.app, about="") as asked:
                results = batch(api, *renamed)
            assert set(statuses(results)) == {200}
            counts.append(len(asked))

        assert counts[0] == counts[1]

    def test_a_thousand_withdrawals_look_up_what_is_lost_at_once(self, api: Api) -> None:
        counts = []
        for count in (10, 500):
            batch(
                api, *(order(str(number), known_as(str(number % 5))) for number in range(count)), create_missing="true", deleted="restore"
            )
            with statements(api.app, about="") as asked:
                batch(api, *({"op": "delete", "source": "shop", "external_id": str(number)} for number in range(5, count)))
            counts.append(len(asked))
            check_metrics(api.app)

        assert counts[0] == counts[1]


def test_where_versions_are_required_an_item_without_one_is_428(app: Flask, database_url: str) -> None:
    strict = create_app(config_for(database_url, require_if_match=True))
    api = Api(strict, token=make_token(strict, "*"))
    owner = {"customer_id": customer(api)["id"]}

    results = batch(api, order("1", owner), order("1", {}, amount="2"))

    assert statuses(results) == [201, 428]
    strict.extensions["kehu"].database.close()
