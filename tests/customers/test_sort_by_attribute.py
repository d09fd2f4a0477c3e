"""Protects lists that are sorted by a custom attribute: its own order, those without a value last, and each customer once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.attributes.test_attributes import define
from tests.builders import insert_customers
from tests.client import Api, pointers

# In ascending order, each with a tie.
VALUES: dict[str, list[Any]] = {
    "string": ["Anna", "Berta", "Berta", "张"],
    "enum": ["M", "S", "S"],
    "integer": [-5, 2, 2, 10],
    "number": [-0.5, 0.25, 0.25, 9007199254740993],
    "boolean": [False, True, True],
    "date": ["1984-02-29", "2024-02-29", "2024-02-29"],
    "timestamp": ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000001Z", "2024-02-29T00:00:00.000001Z"],
}


def walked(api: Api, sort: str, limit: int) -> list[dict[str, Any]]:
    """All customers, over pages of `limit`."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"sort": sort, "limit": limit} | ({"cursor": cursor} if cursor else {})
        response = api.get("/v1/customers", query_string=query)
        assert response.status_code == 200, response.get_data(as_text=True)
        found.extend(response.json["data"])
        cursor = response.json["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize("kind", VALUES)
class TestOrder:
    @pytest.mark.parametrize("limit", [1, 2, 3, 200])
    def test_those_without_a_value_come_last_and_everybody_once(self, api: Api, kind: str, limit: int) -> None:
        define(api, "a", kind)
        values = VALUES[kind]
        ids = insert_customers(api.app, ({"attributes": held} for held in [*({"a": one} for one in reversed(values)), {}, {"a": {}}, {}]))

        up, down = walked(api, "attributes.a", limit), walked(api, "-attributes.a", limit)

        count = len(values)
        assert [item["attributes"].get("a") for item in up[:count]] == values
        assert [item["attributes"].get("a") for item in down[:count]] == list(reversed(values))
        assert [item["id"] for item in up[count:]] == ids[count:]
        assert [item["id"] for item in down[count:]] == ids[: count - 1 : -1]
        assert sorted(item["id"] for item in up) == sorted(item["id"] for item in down) == sorted(ids)


class TestLongTexts:
    def test_a_link_stays_short_enough_to_be_followed(self, api: Api) -> None:
        define(api, "a", "string")
        same = "\U00020000" * 500
        # Alike in what they are sorted by, and so in the order of their ids.
        ids = insert_customers(api.app, ({"attributes": {"a": text}} for text in (same + "b", same + "a" * 3000, same)))

        link = api.get("/v1/customers?sort=attributes.a&limit=1").headers["Link"]

        assert len(link) < 4096
        assert [item["id"] for item in walked(api, "attributes.a", 1)] == ids
        assert [item["id"] for item in walked(api, "-attributes.a", 1)] == ids[::-1]


class TestFaults:
    def test_one_that_is_not_defined_is_422_that_says_how_to_define_it(self, api: Api) -> None:
        listed = api.get("/v1/customers?sort=attributes.tier")
        searched = api.post("/v1/customers/search", {"sort": "-attributes.tier"})

        assert pointers(listed) == {"query.sort": "attribute_undefined"}
        assert pointers(searched) == {"/sort": "attribute_undefined"}
        assert "PUT /v1/attributes/tier" in listed.json["errors"][0]["detail"]

    def test_a_list_has_no_order(self, api: Api) -> None:
        define(api, "a", "string_list")

        assert pointers(api.get("/v1/customers?sort=attributes.a")) == {"query.sort": "wrong_type"}
