"""Protects one interaction by its id: read, corrected by version, moved, withdrawn and brought back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import customer, entry, events, metrics, rows, whole_entry
from tests.client import Api, pointers, problem

NOBODY = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def owner(api: Api) -> str:
    return str(customer(api)["id"])


@pytest.fixture
def made(api: Api, owner: str) -> dict[str, Any]:
    return entry(api, owner, **whole_entry())


def path(made: dict[str, Any]) -> str:
    return f"/v1/contact-history/{made['id']}"


class TestGet:
    def test_it_is_answered_whole_with_its_version(self, api: Api, made: dict[str, Any]) -> None:
        response = api.get(path(made))

        assert response.status_code == 200
        assert response.headers["ETag"] == '"1"'
        assert response.json == made

    def test_the_true_etag_is_304(self, api: Api, made: dict[str, Any]) -> None:
        response = api.get(path(made), headers={"If-None-Match": '"1"'})

        assert (response.status_code, response.headers["ETag"], response.get_data()) == (304, '"1"', b"")

    @pytest.mark.parametrize("unknown", [NOBODY, "x", "1" * 30, "%00"])
    def test_an_unknown_id_is_404(self, api: Api, unknown: str) -> None:
        assert api.get(f"/v1/contact-history/{unknown}").status_code == 404

    def test_without_a_token_it_is_401(self, api: Api, made: dict[str, Any]) -> None:
        assert api.anonymous().get(path(made)).status_code == 401

    def test_without_the_scope_it_is_403(self, api: Api, made: dict[str, Any]) -> None:
        response = api.with_scopes("customers:read", "history:write").get(path(made))

        assert (response.status_code, problem(response)["scope"]) == (403, "history:read")


class TestPatch:
    def test_what_is_left_out_stays_and_null_clears(self, api: Api, made: dict[str, Any]) -> None:
        response = api.patch(path(made), {"subject": None, "attributes": {"gift": True, "coupon": None}, "agent": "otto"})

        assert response.status_code == 200
        assert response.headers["ETag"] == '"2"'
        assert response.json == made | {
            "subject": None,
            "attributes": {"items": 3, "gift": True},
            "agent": "otto",
            "version": 2,
            "updated_at": response.json["updated_at"],
        }
        assert api.get(path(made)).json == response.json

    def test_it_is_told_as_what_was_and_what_is(self, api: Api, made: dict[str, Any]) -> None:
        changed = api.patch(path(made), {"outcome": "shipped"}).json

        event = api.get("/v1/changes?types=contact_history.updated").json["data"][0]
        assert event["subject"] == f"contact-history/{made['id']}"
        assert event["data"] == {
            "before": {"outcome": "paid"},
            "after": {"outcome": "shipped", "version": 2, "updated_at": changed["updated_at"]},
            "changed": ["outcome"],
        }

    @pytest.mark.parametrize(
        "patch",
        [
            {},
            {"subject": "订单 1001", "amount": "1280.5"},
            {"attributes": {"items": 3}},
            {"occurred_at": "2024-05-01T16:00:00.123456+08:00"},
        ],
    )
    def test_a_patch_that_changes_nothing_is_no_version_and_no_event(self, api: Api, made: dict[str, Any], patch: dict[str, Any]) -> None:
        before = events(api.app)

        response = api.patch(path(made), patch)

        assert (response.status_code, response.json) == (200, made)
        assert "Kehu-Position" not in response.headers
        assert events(api.app) == before

    def test_it_may_be_sent_back_as_it_was_read(self, api: Api, made: dict[str, Any]) -> None:
        ours = ("id", "version", "created_at", "updated_at", "deleted_at")

        response = api.patch(path(made), {name: value for name, value in made.items() if name not in ours})

        assert response.json == made

    def test_another_version_is_412(self, api: Api, made: dict[str, Any]) -> None:
        response = api.patch(path(made), {"subject": "x"}, headers={"If-Match": '"2"'})

        assert response.status_code == 412
        assert api.get(path(made)).json == made

    def test_the_stored_version_is_changed(self, api: Api, made: dict[str, Any]) -> None:
        assert api.patch(path(made), {"subject": "x"}, headers={"If-Match": '"1"'}).status_code == 200

    @pytest.mark.parametrize(
        ("patch", "expected"),
        [
            ({"amount": "x"}, {"/amount": "invalid_amount"}),
            ({"currency": None}, {"/currency": "currency_missing"}),
            ({"source": None}, {"/source": "source_missing"}),
            ({"kind": None}, {"/kind": "null"}),
            ({"occurred_at": "2999-01-01T00:00:00Z"}, {"/occurred_at": "occurred_in_future"}),
            ({"id": NOBODY}, {"/id": "unknown_field"}),
            ({"deleted_at": None}, {"/deleted_at": "unknown_field"}),
            ({"customer_id": None}, {"/customer_id": "null"}),
            ({"customer_id": "x"}, {"/customer_id": "invalid_id"}),
            ({"customer": {"source": "shop"}}, {"/customer/external_id": "required"}),
            ({"customer": {"source": "shop", "external_id": "1", "x": 1}}, {"/customer/x": "unknown_field"}),
        ],
    )
    def test_what_cannot_be_kept_is_422(self, api: Api, made: dict[str, Any], patch: dict[str, Any], expected: dict[str, str]) -> None:
        assert pointers(api.patch(path(made), patch)) == expected
        assert api.get(path(made)).json == made

    def test_a_currency_that_is_corrected_rewrites_the_amount(self, api: Api, made: dict[str, Any]) -> None:
        assert api.patch(path(made), {"currency": "KWD"}).json["amount"] == "1280.500"

    def test_attributes_of_too_many_members_are_422(self, api: Api, made: dict[str, Any]) -> None:
        response = api.patch(path(made), {"attributes": {f"a{number}": number for number in range(198)}})

        assert pointers(response) == {"/attributes": "wrong_count"}

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.patch(f"/v1/contact-history/{NOBODY}", {}).status_code == 404

    def test_without_the_scope_it_is_403(self, api: Api, made: dict[str, Any]) -> None:
        assert api.with_scopes("history:read").patch(path(made), {}).status_code == 403


class TestMove:
    def test_it_keeps_its_id_its_external_id_and_the_count_of_its_versions(self, api: Api, made: dict[str, Any]) -> None:
        other = customer(api)["id"]

        response = api.patch(path(made), {"customer_id": other})

        assert response.json == made | {"customer_id": other, "version": 2, "updated_at": response.json["updated_at"]}
        assert api.get(path(made)).json == response.json
        assert api.get("/v1/contact-history/by/shopify/gid://shopify/Order/1001").json == response.json
        assert api.get(f"/v1/customers/{other}/contact-history").json["data"] == [response.json]
        assert api.get(f"/v1/customers/{made['customer_id']}/contact-history").json["data"] == []

    def test_the_customer_may_be_named_by_an_external_id(self, api: Api, made: dict[str, Any]) -> None:
        other = customer(api, external_ids={"crm": "7"})["id"]

        assert api.patch(path(made), {"customer": {"source": "crm", "external_id": "7"}}).json["customer_id"] == other

    def test_to_its_own_customer_it_is_no_change(self, api: Api, made: dict[str, Any]) -> None:
        assert api.patch(path(made), {"customer_id": made["customer_id"]}).json == made

    @pytest.mark.parametrize(
        ("patch", "pointer"), [({"customer_id": NOBODY}, "/customer_id"), ({"customer": {"source": "a", "external_id": "b"}}, "/customer")]
    )
    def test_to_nobody_it_is_422(self, api: Api, made: dict[str, Any], patch: dict[str, Any], pointer: str) -> None:
        response = api.patch(path(made), patch)

        assert pointers(response) == {pointer: "customer_unknown"}
        assert problem(response)["code"] == "customer_unknown"
        assert api.get(path(made)).json == made

    def test_to_a_deleted_customer_it_is_410(self, api: Api, made: dict[str, Any]) -> None:
        other = customer(api)["id"]
        api.delete(f"/v1/customers/{other}")

        response = api.patch(path(made), {"customer_id": other})

        assert (response.status_code, problem(response)["existing_id"]) == (410, other)
        assert api.get(path(made)).json == made

    def test_a_customer_that_is_named_twice_is_422(self, api: Api, made: dict[str, Any]) -> None:
        body = {"customer_id": NOBODY, "customer": {"source": "a", "external_id": "b"}}

        assert pointers(api.patch(path(made), body)) == {"/customer": "customer_named_twice"}

    def test_with_another_external_id_at_once_both_are_done(self, api: Api, made: dict[str, Any]) -> None:
        other = customer(api)["id"]

        api.patch(path(made), {"customer_id": other, "external_id": "2"})

        assert api.get("/v1/contact-history/by/shopify/2").json["customer_id"] == other
        assert api.get("/v1/contact-history/by/shopify/gid://shopify/Order/1001").status_code == 404
        assert len(rows(api.app, "SELECT * FROM contact_history_keys")) == 1


class TestDelete:
    def test_what_is_withdrawn_is_gone_from_every_read(self, api: Api, made: dict[str, Any], owner: str) -> None:
        response = api.delete(path(made))

        assert (response.status_code, response.get_data()) == (204, b"")
        assert response.headers["Kehu-Position"]
        gone = api.get(path(made))
        assert (gone.status_code, problem(gone)["code"]) == (410, "contact_history_deleted")
        assert (problem(gone)["existing_id"], "deleted_at" in problem(gone)) == (made["id"], True)
        assert api.get("/v1/contact-history/by/shopify/gid://shopify/Order/1001").status_code == 410
        assert api.get(f"/v1/customers/{owner}/contact-history?count=exact").json == {"data": [], "next_cursor": None, "total": 0}
        assert api.get("/v1/contact-history?count=exact").json == {"data": [], "next_cursor": None, "total": 0}
        assert metrics(api, owner)["contact_count"] == 0

    def test_once_more_is_204_and_no_event(self, api: Api, made: dict[str, Any]) -> None:
        api.delete(path(made))
        before = events(api.app)

        response = api.delete(path(made))

        assert response.status_code == 204
        assert events(api.app) == before

    def test_another_version_is_412(self, api: Api, made: dict[str, Any]) -> None:
        assert api.delete(path(made), headers={"If-Match": '"2"'}).status_code == 412
        assert api.get(path(made)).json == made

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.delete(f"/v1/contact-history/{NOBODY}").status_code == 404

    @pytest.mark.parametrize("data", [{}, {"subject": "x"}])
    def test_what_is_withdrawn_is_not_corrected(self, api: Api, made: dict[str, Any], data: dict[str, Any]) -> None:
        api.delete(path(made))

        response = api.patch(path(made), data)

        assert (response.status_code, problem(response)["code"]) == (410, "contact_history_deleted")

    def test_its_external_id_stays_its_own(self, api: Api, made: dict[str, Any], owner: str) -> None:
        api.delete(path(made))

        response = api.post(f"/v1/customers/{owner}/contact-history", whole_entry())

        assert (response.status_code, problem(response)["existing_id"]) == (409, made["id"])


class TestRestore:
    def test_it_comes_back_whole(self, api: Api, made: dict[str, Any], owner: str) -> None:
        before = metrics(api, owner)
        api.delete(path(made))

        response = api.post(f"{path(made)}/restore")

        assert (response.status_code, response.headers["ETag"]) == (200, '"3"')
        assert response.json == made | {"version": 3, "updated_at": response.json["updated_at"]}
        assert metrics(api, owner) == before
        assert [name for name in events(api.app) if name.startswith("contact_history.")] == [
            "contact_history.created",
            "contact_history.deleted",
            "contact_history.restored",
        ]

    def test_what_was_not_withdrawn_stays_as_it_is(self, api: Api, made: dict[str, Any]) -> None:
        response = api.post(f"{path(made)}/restore")

        assert (response.status_code, response.json) == (200, made)
        assert "Kehu-Position" not in response.headers

    def test_a_patch_may_restore(self, api: Api, made: dict[str, Any]) -> None:
        api.delete(path(made))

        response = api.patch(f"{path(made)}?deleted=restore", {"subject": "x"})

        assert (response.status_code, response.json["subject"], response.json["deleted_at"]) == (200, "x", None)

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.post(f"/v1/contact-history/{NOBODY}/restore").status_code == 404


class TestDeletedCustomer:
    def test_it_hides_its_interactions_everywhere_and_brings_them_back(self, api: Api, made: dict[str, Any], owner: str) -> None:
        by_key = "/v1/contact-history/by/shopify/gid://shopify/Order/1001"
        reads = [path(made), by_key, f"/v1/customers/{owner}/contact-history"]
        api.delete(f"/v1/customers/{owner}")

        hidden = [api.get(address) for address in reads]
        lists = [api.get(f"/v1/contact-history?count=exact{more}").json for more in ("", f"&customer_id={owner}", "&deleted=only")]
        api.post(f"/v1/customers/{owner}/restore")
        shown = [api.get(address).status_code for address in reads]

        assert [(answer.status_code, problem(answer)["code"], problem(answer)["existing_id"]) for answer in hidden] == (
            [(410, "customer_deleted", owner)] * 3
        )
        assert lists == [{"data": [], "next_cursor": None, "total": 0}] * 3
        assert shown == [200] * 3
        assert api.get(path(made)).json == made
        assert api.get("/v1/contact-history").json["data"] == [made]

    def test_its_interactions_cannot_be_written(self, api: Api, made: dict[str, Any], owner: str) -> None:
        api.delete(f"/v1/customers/{owner}")
        before = events(api.app)

        answers = [
            api.patch(path(made), {"subject": "x"}),
            api.patch(f"{path(made)}?deleted=restore", {"amount": "1"}),
            api.delete(path(made)),
            api.post(f"{path(made)}/restore"),
            api.put("/v1/contact-history/by/shopify/gid://shopify/Order/1001?deleted=restore", {"amount": "1"}),
            api.put("/v1/contact-history/by/shopify/2?deleted=restore", {"kind": "order", "customer_id": owner}),
            api.delete("/v1/contact-history/by/shopify/gid://shopify/Order/1001"),
        ]

        assert [(answer.status_code, problem(answer)["code"]) for answer in answers] == [(410, "customer_deleted")] * len(answers)
        assert events(api.app) == before


class TestFeed:
    def test_without_history_read_the_feed_tells_nothing_of_it(self, api: Api, made: dict[str, Any]) -> None:
        told = {
            scope: {event["type"] for event in api.with_scopes("changes:read", scope).get("/v1/changes").json["data"]}
            for scope in ("customers:read", "history:read")
        }

        assert told == {
            "customers:read": {"customer.created", "customer.metrics_changed"},
            "history:read": {"contact_history.created"},
        }
