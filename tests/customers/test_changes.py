"""Protects a customer's history: one event for each effective write, who, when, from what to what, newest first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import customer, rows, whole_customer
from tests.client import Api

NOBODY = "01890000-0000-7000-8000-000000000000"


def history(api: Api, customer_id: str) -> list[dict[str, Any]]:
    response = api.get(f"/v1/customers/{customer_id}/changes?limit=200")
    assert response.status_code == 200, response.get_data(as_text=True)
    return list(response.json["data"])


def without_metrics(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "metrics"}


class TestGet:
    def test_a_page_is_answered_whole(self, api: Api) -> None:
        made = api.post("/v1/customers", {"given_name": "Mei"}, headers={"X-Request-Id": "first"})
        path = f"/v1/customers/{made.json['id']}"
        changed = api.patch(path, {"given_name": "May", "tags": ["a"]}, headers={"X-Request-Id": "second"})

        response = api.get(f"{path}/changes")

        token = api.get("/v1/tokens/self").json
        common = {
            "source": "urn:kehu",
            "subject": path.removeprefix("/v1/"),
            "actor": {"type": "token", "id": token["id"], "name": "tests"},
        }
        newest, oldest = response.json["data"]
        assert response.json["next_cursor"] is None
        assert newest == common | {
            "id": newest["id"],
            "type": "customer.updated",
            "time": changed.json["updated_at"],
            "position": changed.headers["Kehu-Position"],
            "request_id": "second",
            "data": {
                "before": {"given_name": "Mei", "tags": []},
                "after": {"given_name": "May", "tags": ["a"], "version": 2, "updated_at": changed.json["updated_at"]},
                "changed": ["given_name", "tags"],
            },
        }
        assert oldest == common | {
            "id": oldest["id"],
            "type": "customer.created",
            "time": made.json["created_at"],
            "position": made.headers["Kehu-Position"],
            "request_id": "first",
            "data": {"before": None, "after": without_metrics(made.json), "changed": oldest["data"]["changed"]},
        }
        assert set(oldest["data"]["changed"]) == set(without_metrics(made.json))

    def test_another_token_is_another_actor(self, api: Api) -> None:
        made = customer(api)
        other = api.with_scopes("customers:write")

        other.patch(f"/v1/customers/{made['id']}", {"owner": "anna"})

        actors = [event["actor"]["id"] for event in history(api, made["id"])]
        assert actors == [other.get("/v1/tokens/self").json["id"], api.get("/v1/tokens/self").json["id"]]

    def test_of_other_customers_nothing_is_told(self, api: Api) -> None:
        made = customer(api)
        customer(api)

        assert len(history(api, made["id"])) == 1

    def test_the_history_of_a_deleted_customer_goes_on(self, api: Api) -> None:
        made = customer(api)
        api.delete(f"/v1/customers/{made['id']}")

        newest = history(api, made["id"])[0]

        assert newest["type"] == "customer.deleted"
        assert newest["data"] == {
            "before": {"deleted_at": None},
            "after": {"deleted_at": newest["time"], "version": 2, "updated_at": newest["time"]},
            "changed": ["deleted_at"],
        }

    def test_the_pages_hold_each_event_once_newest_first(self, api: Api) -> None:
        made = customer(api)
        for number in range(16):
            api.patch(f"/v1/customers/{made['id']}", {"owner": str(number)})

        versions: list[int] = []
        address: str | None = f"/v1/customers/{made['id']}/changes?limit=5"
        while address is not None:
            response = api.get(address)
            versions += [event["data"]["after"]["version"] for event in response.json["data"]]
            address = response.headers["Link"][1:].partition(">")[0] if "Link" in response.headers else None

        assert versions == list(range(17, 0, -1))

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.get(f"/v1/customers/{NOBODY}/changes").status_code == 404

    @pytest.mark.parametrize(("query", "status"), [("limit=0", 422), ("sort=time", 422), ("cursor=", 400), ("cursor=x", 400)])
    def test_a_query_that_is_none_is_refused(self, api: Api, query: str, status: int) -> None:
        made = customer(api)

        assert api.get(f"/v1/customers/{made['id']}/changes?{query}").status_code == status


class TestOneEventForEachEffectiveWrite:
    def test_every_kind_of_write_is_told_once_with_its_position(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})
        path, by_key = f"/v1/customers/{made['id']}", "/v1/customers/by/shop/1"
        written = [
            api.patch(path, {"owner": "anna"}),
            api.put(by_key, {"owner": "otto", "source_updated_at": "2024-05-01T08:00:00Z"}),
            api.delete(path),
            api.post(f"{path}/restore"),
            api.delete(path),
            api.patch(f"{path}?deleted=restore", {"tags": ["a"]}),
            api.delete(path),
            api.put(f"{by_key}?deleted=restore", {}),
            api.delete(by_key),
        ]
        idle = [
            api.patch(path, {"owner": "otto"}),
            api.post(f"{path}/restore"),
            api.patch(path, {"email": "no"}),
            api.patch(path, {"owner": "x"}, headers={"If-Match": '"1"'}),
            api.delete(by_key),
            api.delete(path),
            api.delete(path),
        ]
        idle.remove(ended := idle[-2])

        told = history(api, made["id"])

        assert [event["type"].removeprefix("customer.") for event in reversed(told)] == (
            ["created", "updated", "updated", "deleted", "restored", "deleted", "restored", "deleted", "restored", "updated", "deleted"]
        )
        assert [event["position"] for event in reversed(told)][1:] == [
            response.headers.get("Kehu-Position") for response in (*written, ended)
        ]
        assert [response.headers.get("Kehu-Position") for response in idle] == [None] * len(idle)

    def test_versions_rise_by_one_from_event_to_event(self, api: Api) -> None:
        made = customer(api)
        for patch in ({"owner": "a"}, {}, {"owner": "a"}, {"owner": "b"}, {"tags": ["x"]}):
            api.patch(f"/v1/customers/{made['id']}", patch)

        assert [event["data"]["after"]["version"] for event in history(api, made["id"])] == [4, 3, 2, 1]

    def test_after_laid_over_before_is_the_present_state(self, api: Api) -> None:
        made = api.put("/v1/customers/by/shop/1", whole_customer(external_ids={"shop": "1"})).json
        path = f"/v1/customers/{made['id']}"
        states = [made]
        for patch in (
            {"given_name": "Zoë", "attributes": {"score": 1e16, "tier": None, "visits": 3.0, "newsletter": True}},
            {"addresses": [], "birthday": None, "organization_id": customer(api)["id"]},
            {"external_ids": {"crm": "x"}, "phone": "+358401234567", "source_updated_at": "2024-06-01T00:00:00+08:00"},
            {"tags": None, "kind": "person", "status": "blocked", "time_zone": "Europe/Helsinki"},
        ):
            states.append(api.patch(path, patch).json)
        api.delete(path)
        states.append(api.get("/v1/customers?deleted=only").json["data"][0])
        states.append(api.post(f"{path}/restore").json)

        told = list(reversed(history(api, made["id"])))

        copy: dict[str, Any] = {}
        for event, state in zip(told, states, strict=True):
            assert (event["data"]["before"] or {}) == {name: copy[name] for name in event["data"]["changed"] if copy}
            copy |= event["data"]["after"]
            assert copy == without_metrics(state)
        assert copy == without_metrics(api.get(path).json)

    def test_nobody_else_is_told_what_a_customer_was(self, api: Api) -> None:
        # The actor is a token: its name and id, and nothing that opens anything.
        made = customer(api)

        stored = rows(api.app, "SELECT actor::json AS actor FROM events WHERE type = 'customer.created'")[0].actor

        assert set(stored) == {"type", "id", "name"}
        assert history(api, made["id"])[0]["actor"] == stored
