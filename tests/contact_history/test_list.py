"""Protects timelines and the list over all customers: what each parameter narrows them to, their order, and pages that hold still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.builders import customer, entry, whole_entry
from tests.client import Api, pointers, problem

NOBODY = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def owner(api: Api) -> str:
    return str(customer(api)["id"])


def timeline(owner: str) -> str:
    return f"/v1/customers/{owner}/contact-history"


def walk(api: Api, address: str) -> list[dict[str, Any]]:
    """Every item of all pages, by their `Link`s."""
    found: list[dict[str, Any]] = []
    following: str | None = address
    while following is not None:
        response = api.get(following)
        assert response.status_code == 200, response.get_data(as_text=True)
        found += response.json["data"]
        following = response.headers["Link"][1:].partition(">")[0] if "Link" in response.headers else None
    return found


def subjects(api: Api, address: str) -> list[str | None]:
    response = api.get(address)
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["subject"] for item in response.json["data"]]


@pytest.fixture(params=["timeline", "all", "all of one"])
def address(request: pytest.FixtureRequest, owner: str) -> str:
    """Each list that shows the interactions of one customer, where there is no other."""
    return {
        "timeline": f"{timeline(owner)}?",
        "all": "/v1/contact-history?",
        "all of one": f"/v1/contact-history?customer_id={owner}&",
    }[request.param]


class TestEnvelope:
    def test_a_page_is_answered_whole_newest_first(self, api: Api, owner: str, address: str) -> None:
        older = entry(api, owner, **whole_entry())
        newer = entry(api, owner, occurred_at="2025-01-01T00:00:00Z")

        response = api.get(address)

        assert response.json == {"data": [newer, older], "next_cursor": None}
        assert "Link" not in response.headers

    def test_nothing_is_an_empty_page(self, api: Api, address: str) -> None:
        assert api.get(f"{address}count=exact").json == {"data": [], "next_cursor": None, "total": 0}

    def test_chosen_fields_and_a_total(self, api: Api, owner: str, address: str) -> None:
        made = [entry(api, owner, kind=kind) for kind in ("call", "order", "call")]

        response = api.get(f"{address}count=exact&limit=1&kind=call&fields=kind")

        assert response.json["data"] == [{"id": made[2]["id"], "kind": "call"}]
        assert response.json["total"] == 2

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("limit=0", 422),
            ("limit=201", 422),
            ("sort=kind", 422),
            ("deleted=include", 422),
            ("direction=in", 422),
            ("kind=Order", 422),
            ("kind=", 422),
            ("q=x", 422),
            ("occurred_after=yesterday", 422),
            ("fields=search_text", 422),
            ("fields=id,nonsense", 422),
            ("kindd=order", 422),
            ("kind=order&kind=call", 422),
            ("cursor=x", 400),
            ("cursor=", 400),
        ],
    )
    def test_a_query_that_is_none_is_refused(self, api: Api, address: str, query: str, status: int) -> None:
        assert api.get(f"{address}{query}").status_code == status


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("kind=order", ["A"]),
            ("kind=payment", []),
            ("channel=phone", ["B"]),
            ("direction=inbound", ["C", "A"]),
            ("direction=outbound", ["B"]),
            ("agent=anna", ["C", "B"]),
            ("agent=Anna", []),
            ("kind=call&agent=anna&direction=inbound", ["C"]),
            ("occurred_after=2024-01-01T00:00:00Z", ["C", "B"]),
            ("occurred_before=2024-01-03T00:00:00Z", ["B", "A"]),
            ("occurred_after=2024-01-01T07:59:59%2B08:00&occurred_before=2024-01-01T00:00:00.000001Z", ["A"]),
            ("sort=occurred_at", ["A", "B", "C"]),
            ("sort=occurred_at&direction=inbound", ["A", "C"]),
        ],
    )
    def test_the_list_is_narrowed(self, api: Api, owner: str, address: str, query: str, found: list[str]) -> None:
        entry(api, owner, subject="A", kind="order", direction="inbound", occurred_at="2024-01-01T00:00:00Z")
        entry(api, owner, subject="B", kind="call", channel="phone", direction="outbound", agent="anna", occurred_at="2024-01-02T00:00:00Z")
        entry(api, owner, subject="C", kind="call", channel="web", direction="inbound", agent="anna", occurred_at="2024-01-03T00:00:00Z")

        assert subjects(api, f"{address}{query}") == found

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("refund", ["B", "Refund please"]),
            ("REFUND please", ["Refund please"]),
            ("退", ["退货"]),
            ("退货", ["退货"]),
            ("was lost", ["B"]),
            ("paid", ["B"]),
            ("lost refund", ["B"]),
            ("%_", []),
        ],
    )
    def test_q_finds_parts_of_subject_body_and_outcome(self, api: Api, owner: str, address: str, q: str, found: list[str]) -> None:
        entry(api, owner, subject="退货", occurred_at="2024-01-01T00:00:00Z")
        entry(api, owner, subject="Refund please", occurred_at="2024-01-02T00:00:00Z")
        entry(api, owner, subject="B", body="It was lost;\nrefunded it.", outcome="paid", occurred_at="2024-01-03T00:00:00Z")

        assert subjects(api, f"{address}q={quote(q)}") == found

    def test_q_follows_a_correction(self, api: Api, owner: str, address: str) -> None:
        made = entry(api, owner, subject="refund")
        api.patch(f"/v1/contact-history/{made['id']}", {"subject": "exchange"})

        assert (subjects(api, f"{address}q=refund"), subjects(api, f"{address}q=exch")) == ([], ["exchange"])

    def test_what_was_withdrawn_is_shown_where_it_is_asked_for(self, api: Api, owner: str, address: str) -> None:
        gone = entry(api, owner, subject="gone")
        entry(api, owner, subject="here")
        api.delete(f"/v1/contact-history/{gone['id']}")

        item = api.get(f"{address}deleted=only").json["data"]

        assert subjects(api, address) == ["here"]
        assert [(one["id"], one["deleted_at"] is not None) for one in item] == [(gone["id"], True)]

    def test_other_customers_are_in_the_list_over_all_alone(self, api: Api, owner: str) -> None:
        other = customer(api)["id"]
        entry(api, owner, subject="A")
        entry(api, other, subject="B")

        assert subjects(api, timeline(owner)) == ["A"]
        assert subjects(api, f"/v1/contact-history?customer_id={other}") == ["B"]
        assert subjects(api, "/v1/contact-history") == ["B", "A"]


class TestPages:
    def test_entries_of_one_instant_have_one_order_and_are_seen_once(self, api: Api, owner: str, address: str) -> None:
        made = [entry(api, owner, subject=str(number), occurred_at="2024-01-01T00:00:00Z")["id"] for number in range(9)]

        for limit in (1, 2, 4):
            assert [item["id"] for item in walk(api, f"{address}limit={limit}")] == made[::-1]
            assert [item["id"] for item in walk(api, f"{address}limit={limit}&sort=occurred_at")] == made

    def test_what_arrives_meanwhile_does_not_disturb_the_pages(self, api: Api, owner: str, address: str) -> None:
        start = datetime(2024, 1, 1, tzinfo=UTC)
        made = [entry(api, owner, occurred_at=(start + timedelta(days=day)).isoformat())["id"] for day in range(6)]
        first = api.get(f"{address}limit=3")

        entry(api, owner, occurred_at="2025-01-01T00:00:00Z")
        rest = walk(api, first.headers["Link"][1:].partition(">")[0])

        assert [item["id"] for item in (*first.json["data"], *rest)] == made[::-1]

    @pytest.mark.parametrize("other", ["kind=note&", "sort=occurred_at&", "q=ab&"])
    def test_a_cursor_of_another_query_is_400(self, api: Api, owner: str, address: str, other: str) -> None:
        for _ in range(2):
            entry(api, owner)
        cursor = api.get(f"{address}limit=1").json["next_cursor"]

        assert problem(api.get(f"{address}limit=1&{other}cursor={cursor}"))["code"] == "bad_cursor"

    def test_a_cursor_of_another_customer_is_400(self, api: Api, owner: str) -> None:
        other = customer(api)["id"]
        for _ in range(2):
            entry(api, owner)
        cursor = api.get(f"{timeline(owner)}?limit=1").json["next_cursor"]

        assert api.get(f"{timeline(other)}?cursor={cursor}").status_code == 400


class TestCustomer:
    def test_the_timeline_of_nobody_is_404(self, api: Api) -> None:
        assert api.get(timeline(NOBODY)).status_code == 404
        assert api.get(timeline("x")).status_code == 404

    @pytest.mark.parametrize("entries", [0, 1])
    def test_the_timeline_of_a_deleted_customer_is_410(self, api: Api, owner: str, entries: int) -> None:
        for _ in range(entries):
            entry(api, owner)
        api.delete(f"/v1/customers/{owner}")

        response = api.get(timeline(owner))

        assert (response.status_code, problem(response)["existing_id"]) == (410, owner)

    def test_the_list_over_all_knows_no_customer_that_there_is_not(self, api: Api) -> None:
        assert api.get(f"/v1/contact-history?customer_id={NOBODY}").json["data"] == []
        assert pointers(api.get("/v1/contact-history?customer_id=x")) == {"query.customer_id": "invalid_id"}


class TestAccess:
    def test_without_a_token_it_is_401_and_without_the_scope_403(self, api: Api, address: str) -> None:
        assert api.anonymous().get(address).status_code == 401
        assert problem(api.with_scopes("customers:read").get(address))["scope"] == "history:read"
