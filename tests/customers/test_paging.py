"""Protects the walk through a list: each unchanged customer exactly once, whatever else is written meanwhile."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.builders import customer, execute, insert_customers
from tests.client import Api, problem


def walk(api: Api, **query: Any) -> list[list[str]]:
    """The ids on each page."""
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        response = api.get("/v1/customers", query_string={**query, **cursor})
        assert response.status_code == 200, response.get_data(as_text=True)
        pages.append([item["id"] for item in response.json["data"]])
        if response.json["next_cursor"] is None:
            return pages
        cursor = {"cursor": response.json["next_cursor"]}


class TestWalk:
    @pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "-updated_at"])
    def test_hundreds_with_one_and_the_same_time_are_each_seen_once(self, api: Api, sort: str) -> None:
        made = insert_customers(api.app, ({} for _ in range(300)))

        pages = walk(api, sort=sort, limit=7, fields="id")

        seen = [key for page in pages for key in page]
        assert seen == sorted(made, reverse=sort.startswith("-"))
        assert {len(page) for page in pages[:-1]} == {7}

    def test_a_last_page_that_is_full_has_no_next_one(self, api: Api) -> None:
        insert_customers(api.app, ({} for _ in range(14)))

        assert [len(page) for page in walk(api, limit=7)] == [7, 7]

    @pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "-updated_at"])
    def test_unchanged_ones_are_seen_once_while_others_come_change_and_go(self, api: Api, sort: str) -> None:
        made = insert_customers(api.app, ({} for _ in range(210)))
        # Every tenth is written to in between; the walk owes nothing for those.
        restless = made[::10]
        unchanged = set(made) - set(restless)

        seen: list[str] = []
        query = {"sort": sort, "limit": 7, "fields": "id"}
        while True:
            response = api.get("/v1/customers", query_string=query)
            seen += [item["id"] for item in response.json["data"]]
            if response.json["next_cursor"] is None or len(seen) > 1000:
                break
            query["cursor"] = response.json["next_cursor"]
            if restless:
                one = restless.pop()
                if len(restless) % 2:
                    api.patch(f"/v1/customers/{one}", {"owner": "anna"})
                else:
                    api.delete(f"/v1/customers/{one}")
                customer(api)

        assert sorted(key for key in seen if key in unchanged) == sorted(unchanged)

    def test_narrowed_lists_are_walked_whole_too(self, api: Api) -> None:
        rows = ({"display_name": "王小明", "tags": ["a"]} if number % 3 else {"display_name": "王二"} for number in range(60))
        insert_customers(api.app, rows)

        pages = walk(api, q="小明", tag="a", limit=7)

        assert [len(page) for page in pages] == [7, 7, 7, 7, 7, 5]


class TestLink:
    def test_the_link_leads_to_the_next_page_of_the_same_query(self, api: Api) -> None:
        insert_customers(api.app, ({"display_name": "Ö & Co #1 100%", "tags": ["a+b"]} for _ in range(9)))
        query = {"q": "ö", "tag": "a+b", "limit": "4", "sort": "created_at", "fields": "id", "count": "exact"}
        query["q"] = "& co"
        whole = [item["id"] for item in api.get("/v1/customers", query_string={**query, "limit": "9"}).json["data"]]

        response = api.get("/v1/customers", query_string=query)

        target, _, relation = response.headers["Link"].partition(">; ")
        assert relation == 'rel="next"'
        assert parse_qs(urlsplit(target[1:]).query) == {
            **{key: [value] for key, value in query.items()},
            "cursor": [response.json["next_cursor"]],
        }
        following = api.get(target[1:])
        assert [item["id"] for item in following.json["data"]] == whole[4:8]
        assert following.json["total"] == 9

    def test_the_link_names_no_host(self, api: Api) -> None:
        insert_customers(api.app, ({} for _ in range(2)))

        response = api.get("/v1/customers?limit=1", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})

        assert response.headers["Link"].startswith("</v1/customers?")


class TestCursor:
    def first(self, api: Api, **query: str) -> str:
        insert_customers(api.app, ({"tags": ["a"]} for _ in range(3)))
        cursor: str = api.get("/v1/customers", query_string={"limit": "1", **query}).json["next_cursor"]
        return cursor

    @pytest.mark.parametrize(
        "changed", [{"sort": "created_at"}, {"tag": "a"}, {"deleted": "include"}, {"q": "ab"}, {"created_after": "2020-01-01T00:00:00Z"}]
    )
    def test_a_cursor_of_another_query_is_400(self, api: Api, changed: dict[str, str]) -> None:
        cursor = self.first(api)

        response = api.get("/v1/customers", query_string={**changed, "cursor": cursor})

        assert response.status_code == 400
        assert problem(response)["code"] == "bad_cursor"

    def test_a_cursor_of_another_token_is_400(self, api: Api) -> None:
        cursor = self.first(api)

        response = api.with_scopes("*").get("/v1/customers", query_string={"cursor": cursor})

        assert response.status_code == 400

    def test_a_cursor_of_another_list_is_400(self, api: Api) -> None:
        cursor = self.first(api)

        assert api.get("/v1/tokens", query_string={"cursor": cursor}).status_code == 400

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text[:-1],
            lambda text: text + "A",
            lambda text: "A" + text,
            lambda text: text.swapcase(),
            lambda text: "x",
            lambda text: "客户",
            lambda text: text[:-2] + "AA",
        ],
    )
    def test_a_damaged_cursor_is_400(self, api: Api, spoil: Any) -> None:
        cursor = self.first(api)

        response = api.get("/v1/customers", query_string={"cursor": spoil(cursor)})

        assert response.status_code == 400
        assert problem(response)["code"] == "bad_cursor"

    def test_limit_count_and_fields_may_change_on_the_way(self, api: Api) -> None:
        cursor = self.first(api)

        response = api.get("/v1/customers", query_string={"cursor": cursor, "limit": "200", "count": "exact", "fields": "id"})

        assert len(response.json["data"]) == 2

    def test_a_cursor_outlives_the_row_that_it_was_made_of(self, api: Api) -> None:
        cursor = self.first(api)
        execute(api.app, "DELETE FROM customers WHERE id = (SELECT id FROM customers ORDER BY created_at DESC, id DESC LIMIT 1)")

        response = api.get("/v1/customers", query_string={"cursor": cursor})

        assert len(response.json["data"]) == 2
