"""Protects the feed: everything that changed is in it once, in order, for those who may see it."""

from __future__ import annotations

import threading
import time

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import unit_of_work
from tests.builders import rows
from tests.client import Api, problem


def follow(api: Api, **parameters: object) -> tuple[list[dict[str, object]], str]:
    """All events behind `after`, page by page, and the position behind the last."""
    events: list[dict[str, object]] = []
    while True:
        page = api.get("/v1/changes", query_string={"limit": 3, **parameters}).json
        events += page["data"]
        if page["next_position"] == parameters.get("after"):
            return events, page["next_position"]
        parameters["after"] = page["next_position"]


class TestFeed:
    def test_every_write_is_one_event_in_the_order_of_the_writes(self, api: Api) -> None:
        made = api.post("/v1/customers", {"given_name": "Li"})
        path = made.headers["Location"]
        api.patch(path, {"given_name": "Li"})
        api.patch(path, {"given_name": "Wei"})
        api.delete(path)
        api.post(f"{path}/restore")

        events, _ = follow(api, types="customer.*")

        told = [(event["type"], event["data"]["changed"], event["data"]["after"]["version"]) for event in events]  # type: ignore[index]
        assert told[1:] == [
            ("customer.updated", ["given_name"], 2),
            ("customer.deleted", ["deleted_at"], 3),
            ("customer.restored", ["deleted_at"], 4),
        ]
        assert told[0][0] == "customer.created"
        assert {event["subject"] for event in events} == {path.removeprefix("/v1/")}

    def test_an_event_has_the_fields_of_cloudevents_and_who_and_where(self, api: Api) -> None:
        made = api.post("/v1/customers", {"given_name": "Li"}, headers={"X-Request-Id": "order-7"})

        event = api.get("/v1/changes", query_string={"types": "customer.created"}).json["data"][0]

        assert set(event) == {"id", "source", "type", "subject", "time", "position", "actor", "request_id", "data"}
        assert event["request_id"] == "order-7"
        assert event["position"] == made.headers["Kehu-Position"]
        assert event["actor"]["type"] == "token"
        assert event["time"] == made.json["created_at"]
        assert event["data"]["before"] is None

    def test_a_position_from_a_write_begins_behind_that_write(self, api: Api) -> None:
        first = api.post("/v1/customers", {}).headers["Kehu-Position"]
        api.post("/v1/customers", {"given_name": "second"})

        events, _ = follow(api, after=first, types="customer.*")

        assert [event["data"]["after"]["given_name"] for event in events] == ["second"]  # type: ignore[index]

    def test_each_event_has_the_id_of_the_transaction_that_wrote_it(self, app: Flask, api: Api) -> None:
        made = api.post("/v1/customers", {}).headers["Location"]
        api.patch(made, {"given_name": "Li"})
        api.post("/v1/customers/batch", {"items": [{"op": "create", "data": {}}] * 3})

        found = rows(app, "SELECT xid, CAST(CAST(CAST(xmin AS text) AS bigint) AS text) AS xmin FROM events WHERE type LIKE 'customer.%'")

        assert len(found) == 5
        assert [int(row.xid) % 2**32 for row in found] == [int(row.xmin) for row in found]

    def test_types_and_subject_narrow_it(self, api: Api) -> None:
        one = api.post("/v1/customers", {}).headers["Location"]
        api.post("/v1/customers", {})
        api.delete(one)

        of_type, _ = follow(api, types="customer.deleted")
        of_subject, _ = follow(api, subject=one.removeprefix("/v1/"))

        assert [event["type"] for event in of_type] == ["customer.deleted"]
        assert [event["type"] for event in of_subject] == ["customer.created", "customer.deleted"]

    def test_only_types_whose_scope_the_token_has_are_shown(self, api: Api) -> None:
        api.post("/v1/customers", {})

        blind, _ = follow(api.with_scopes("changes:read"))
        sighted, _ = follow(api.with_scopes("changes:read", "customers:read"))
        asked, _ = follow(api.with_scopes("changes:read"), types="customer.*,token.*")

        assert blind == []
        assert {event["type"] for event in sighted} == {"customer.created"}
        assert asked == []

    def test_an_unknown_type_is_422(self, api: Api) -> None:
        response = api.get("/v1/changes?types=customer.exploded")

        assert problem(response)["errors"][0]["pointer"] == "query.types"

    @pytest.mark.parametrize(
        "damage",
        [
            lambda position: position[:-2],
            lambda position: ("B" if position[0] == "A" else "A") + position[1:],
            lambda position: "x",
            lambda position: position + "=",
        ],
    )
    def test_a_damaged_position_is_400(self, api: Api, damage: object) -> None:
        position = api.post("/v1/customers", {}).headers["Kehu-Position"]

        response = api.get("/v1/changes", query_string={"after": damage(position)})  # type: ignore[operator]

        assert response.status_code == 400
        assert problem(response)["code"] == "bad_position"

    def test_a_position_from_the_future_is_400(self, app: Flask, api: Api) -> None:
        future = app.extensions["kehu"].positions.text((1, 2**40, 1))

        response = api.get("/v1/changes", query_string={"after": future})

        assert problem(response)["code"] == "bad_position"

    def test_a_rare_type_is_found_behind_many_others(self, app: Flask, api: Api) -> None:
        with app.extensions["kehu"].database.lease(time.monotonic() + 20) as connection:
            connection.execute(
                text(
                    "INSERT INTO events (event_id, type, subject, actor, request_id, time, data) "
                    "SELECT gen_random_uuid(), 'customer.updated', 'customers/x', '{}', 'r', now(), '{}' FROM generate_series(1, 25000)"
                )
            )
        deleted = api.post("/v1/customers", {}).headers["Location"]
        api.delete(deleted)

        page = api.get("/v1/changes?types=customer.deleted").json

        assert [event["type"] for event in page["data"]] == ["customer.deleted"]

    def test_an_open_transaction_makes_the_feed_wait_and_skip_nothing(self, app: Flask, api: Api) -> None:
        database = app.extensions["kehu"].database
        entered, leave = threading.Event(), threading.Event()

        def hold(unit: unit_of_work.UnitOfWork) -> None:
            assert unit.xid
            entered.set()
            leave.wait(10)

        slow = threading.Thread(target=lambda: unit_of_work.run(database, time.monotonic() + 10, hold))
        slow.start()
        entered.wait(10)
        made = api.post("/v1/customers", {}).json["id"]

        during = api.get("/v1/changes?types=customer.*").json["data"]
        metrics = api.get("/metrics").get_data(as_text=True)
        leave.set()
        slow.join()
        after = api.get("/v1/changes?types=customer.*").json["data"]

        assert during == []
        assert [event["subject"] for event in after] == [f"customers/{made}"]
        behind = [line for line in metrics.splitlines() if line.startswith("kehu_feed_behind_seconds ")]
        assert float(behind[0].split()[1]) > 0


class TestWaiting:
    def test_a_waiter_hears_of_a_change_within_a_second(self, api: Api) -> None:
        _, position = follow(api)
        writer = threading.Timer(0.5, lambda: Api(api.app, token=api.token).post("/v1/customers", {}))
        writer.start()
        began = time.monotonic()

        page = api.get("/v1/changes", query_string={"after": position, "wait": 10}).json

        assert len(page["data"]) == 1
        assert time.monotonic() - began < 1.6
        writer.join()

    def test_a_wait_in_vain_ends_after_its_time(self, api: Api) -> None:
        _, position = follow(api)
        began = time.monotonic()

        page = api.get("/v1/changes", query_string={"after": position, "wait": 1}).json

        assert page == {"data": [], "next_position": position}
        assert 0.9 < time.monotonic() - began < 3

    def test_no_connection_is_held_and_only_a_quarter_of_the_threads_wait(self, app: Flask, api: Api) -> None:
        _, position = follow(api)
        waiter = threading.Thread(target=lambda: Api(app, token=api.token).get("/v1/changes", query_string={"after": position, "wait": 3}))
        waiter.start()
        time.sleep(0.7)
        began = time.monotonic()

        further = api.get("/v1/changes", query_string={"after": position, "wait": 3})

        assert further.json["data"] == []
        assert time.monotonic() - began < 1
        assert app.extensions["kehu"].database.in_use <= 1
        waiter.join()


class TestEpoch:
    def test_after_a_restore_former_positions_are_410_and_all_is_read_again(self, app: Flask, api: Api) -> None:
        from app.changes import epoch

        path = api.post("/v1/customers", {"given_name": "Li"}).headers["Location"]
        former = api.patch(path, {"given_name": "Wei"}).headers["Kehu-Position"]
        with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
            epoch.begin(connection)

        response = api.get("/v1/changes", query_string={"after": former})
        events, _ = follow(api, types="customer.*")
        later = api.patch(path, {"given_name": "Na"})

        assert response.status_code == 410
        assert problem(response)["code"] == "position_of_earlier_life"
        assert problem(response)["restart"] == "/v1/changes"
        assert [event["data"]["after"]["version"] for event in events] == [1, 2]  # type: ignore[index]
        assert later.json["version"] == 3
