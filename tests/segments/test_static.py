"""Protects members of static segments: put in and taken out one by one and by the thousand, each told once, deleted customers included."""

from __future__ import annotations

import threading
from typing import Any

from tests.builders import customer, execute, rows
from tests.client import Api, pointers, problem
from tests.segments.calls import count, members, put, segment


def told(api: Api) -> list[tuple[str, str]]:
    """Which memberships were told, and of whom, in the order of the feed."""
    feed = api.get("/v1/changes?types=segment.joined,segment.left&limit=1000").json["data"]
    return [(event["type"].partition(".")[2], event["subject"].partition("/")[2]) for event in feed]


def batch(api: Api, found: dict[str, Any], *items: Any, atomic: bool = False) -> list[dict[str, Any]]:
    query = "?atomic=true" if atomic else ""
    response = api.post(f"/v1/segments/{found['id']}/members/batch{query}", {"items": list(items)})
    assert response.status_code == 207, response.get_data(as_text=True)
    return list(response.json["results"])


class TestPut:
    def test_the_count_is_not_of_a_time_before_what_it_counts(self, api: Api) -> None:
        execute(api.app, "UPDATE segment_lanes SET evaluated_at = now() - interval '1 hour'")
        vips, mei = segment(api, "vips", None), customer(api)

        empty = api.get(f"/v1/segments/{vips['id']}").json
        put(api, vips, mei)
        counted = api.get(f"/v1/segments/{vips['id']}").json

        assert (empty["member_count"], empty["evaluated_at"]) == (0, vips["created_at"])
        assert counted["member_count"] == 1
        assert counted["evaluated_at"] > mei["created_at"]

    def test_a_member_is_in_at_once_and_told_once(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)

        first = api.put(f"/v1/segments/{vips['id']}/members/{mei['id']}")
        again = api.put(f"/v1/segments/{vips['id']}/members/{mei['id']}")

        assert (first.status_code, again.status_code) == (201, 200)
        assert (
            first.json
            == again.json
            == {
                "segment_id": vips["id"],
                "customer_id": mei["id"],
                "entered_at": first.json["entered_at"],
            }
        )
        assert (members(api, vips), count(api, vips)) == (["Mei"], 1)
        assert api.get(f"/v1/segments/{vips['id']}").json["member_count"] == 1
        (event,) = api.get("/v1/changes?types=segment.joined").json["data"]
        after = first.json | {"segment_name": "vips"}
        assert (event["subject"], event["data"]["before"], event["data"]["after"]) == (f"customers/{mei['id']}", None, after)

    def test_taken_out_it_is_told_to_have_left(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)
        put(api, vips, mei)

        statuses = [api.delete(f"/v1/segments/{vips['id']}/members/{mei['id']}").status_code for _ in range(2)]

        assert statuses == [204, 204]
        assert (members(api, vips), api.get(f"/v1/segments/{vips['id']}").json["member_count"]) == ([], 0)
        assert told(api) == [("joined", mei["id"]), ("left", mei["id"])]
        left = api.get("/v1/changes?types=segment.left").json["data"][0]["data"]
        assert (left["after"], left["before"]["segment_name"]) == (None, "vips")

    def test_whom_there_is_not_is_404_and_who_is_deleted_410(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)
        api.delete(f"/v1/customers/{mei['id']}")

        unknown = api.put(f"/v1/segments/{vips['id']}/members/{vips['id']}")
        deleted = api.put(f"/v1/segments/{vips['id']}/members/{mei['id']}")

        assert (unknown.status_code, deleted.status_code) == (404, 410)
        assert problem(deleted)["existing_id"] == mei["id"]
        assert told(api) == []

    def test_a_rule_decides_who_is_in_a_dynamic_one(self, api: Api) -> None:
        finns, mei = segment(api), customer(api)
        address = f"/v1/segments/{finns['id']}/members/{mei['id']}"

        answers = [
            api.put(address),
            api.delete(address),
            api.post(f"/v1/segments/{finns['id']}/members/batch", {"items": [{"id": mei["id"]}]}),
        ]

        assert [problem(response)["code"] for response in answers] == ["segment_not_static"] * 3

    def test_only_where_it_is_not_there_yet(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)
        address = f"/v1/segments/{vips['id']}/members/{mei['id']}"

        statuses = [api.put(address, headers={"If-None-Match": "*"}).status_code for _ in range(2)]

        assert statuses == [201, 412]

    def test_a_deleted_customer_is_out_and_back_with_a_restore(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)
        put(api, vips, mei)

        api.delete(f"/v1/customers/{mei['id']}")
        gone = count(api, vips)
        api.post(f"/v1/customers/{mei['id']}/restore")

        assert (gone, count(api, vips)) == (0, 1)

    def test_one_that_the_worker_has_hidden_is_told_again_or_no_more(self, api: Api) -> None:
        vips, mei, kalle = segment(api, "vips", None), customer(api), customer(api)
        put(api, vips, mei, kalle)
        # As the worker leaves them where it saw them deleted.
        execute(api.app, "UPDATE segment_members SET entered_at = NULL")
        execute(api.app, "UPDATE segment_counts SET members = 0")

        put(api, vips, mei)
        api.delete(f"/v1/segments/{vips['id']}/members/{kalle['id']}")

        assert told(api)[2:] == [("joined", mei["id"])]
        assert api.get(f"/v1/segments/{vips['id']}").json["member_count"] == 1
        assert [str(row.customer_id) for row in rows(api.app, "SELECT customer_id FROM segment_members")] == [mei["id"]]


class TestBatch:
    def test_each_item_has_its_result_and_a_bad_one_spoils_no_other(self, api: Api) -> None:
        vips, mei, kalle = segment(api, "vips", None), customer(api, external_ids={"shop": "1"}), customer(api)
        put(api, vips, kalle)

        results = batch(
            api,
            vips,
            {"source": "shop", "external_id": "1", "client_ref": "a"},
            {"op": "add", "id": mei["id"]},
            {"op": "remove", "id": kalle["id"]},
            {"op": "remove", "id": kalle["id"]},
            {"source": "shop", "external_id": "2"},
            {"op": "put", "id": mei["id"]},
            "nonsense",
            {"id": vips["id"]},
        )

        assert [(one["status"], one["outcome"]) for one in results] == [
            (201, "created"),
            (200, "unchanged"),
            (204, "deleted"),
            (204, "unchanged"),
            (404, "failed"),
            (422, "failed"),
            (422, "failed"),
            (404, "failed"),
        ]
        assert (results[0]["client_ref"], results[0]["id"], results[0]["version"]) == ("a", mei["id"], None)
        assert results[5]["problem"]["errors"][0]["pointer"] == "/op"
        assert told(api)[1:] == [("joined", mei["id"]), ("left", kalle["id"])]
        assert count(api, vips) == api.get(f"/v1/segments/{vips['id']}").json["member_count"] == 1

    def test_all_or_nothing(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)

        response = api.post(f"/v1/segments/{vips['id']}/members/batch?atomic=true", {"items": [{"id": mei["id"]}, {"id": vips["id"]}]})

        assert (response.status_code, problem(response)["code"]) == (409, "batch_refused")
        assert (count(api, vips), told(api)) == (0, [])

    def test_in_and_out_again_is_told_as_it_was(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)

        batch(api, vips, *({"op": op, "id": mei["id"]} for op in ("add", "remove", "add")))

        assert told(api) == [("joined", mei["id"]), ("left", mei["id"]), ("joined", mei["id"])]
        assert count(api, vips) == 1

    def test_more_than_a_thousand_are_422(self, api: Api) -> None:
        vips = segment(api, "vips", None)

        response = api.post(f"/v1/segments/{vips['id']}/members/batch", {"items": [{"id": vips["id"]}] * 1001})

        assert pointers(response) == {"/items": "wrong_count"}


class TestAtOnce:
    def test_of_many_writers_at_once_the_feed_tells_the_set(self, api: Api) -> None:
        vips = segment(api, "vips", None)
        people = [customer(api) for _ in range(3)]

        def write(number: int) -> None:
            client = Api(api.app, token=api.token)
            for turn in range(12):
                person = people[(number + turn) % 3]
                address = f"/v1/segments/{vips['id']}/members/{person['id']}"
                response = client.put(address) if (number + turn) % 2 else client.delete(address)
                assert response.status_code in (200, 201, 204), response.get_data(as_text=True)

        writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in writers:
            thread.start()
        for thread in writers:
            thread.join()

        there: set[str] = set()
        for kind, customer_id in told(api):
            assert (customer_id in there) == (kind == "left")
            there.symmetric_difference_update({customer_id})
        kept = {str(row.customer_id) for row in rows(api.app, "SELECT customer_id FROM segment_members")}
        assert there == kept
        assert api.get(f"/v1/segments/{vips['id']}").json["member_count"] == count(api, vips) == len(kept)


class TestChanges:
    def test_a_customers_history_shows_memberships_to_whom_may_see_them(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)
        put(api, vips, mei)
        address = f"/v1/customers/{mei['id']}/changes"

        shown = [
            [event["type"] for event in client.get(address).json["data"]]
            for client in (api, api.with_scopes("customers:read", "segments:read"), api.with_scopes("customers:read"))
        ]

        both = ["segment.joined", "customer.created"]
        assert shown == [both, both, ["customer.created"]]

    def test_the_feed_shows_them_to_whom_may_see_segments(self, api: Api) -> None:
        vips, mei = segment(api, "vips", None), customer(api)
        put(api, vips, mei)

        seen = api.with_scopes("changes:read", "customers:read").get("/v1/changes").json["data"]

        assert [event["type"] for event in seen] == ["customer.created"]
