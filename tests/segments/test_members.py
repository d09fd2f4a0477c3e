"""Protects who is in a segment: evaluated live, and alike by members, count and rules that name the segment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import LONG_AGO, customer, entry, execute, insert_customers
from tests.client import Api, problem
from tests.segments.calls import count, members, segment


def found(api: Api, rule: str) -> list[str]:
    """Whom the list of customers finds by `rule`."""
    response = api.get("/v1/customers", query_string={"filter": rule, "sort": "created_at"})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["given_name"] for item in response.json["data"]]


class TestLive:
    def test_a_write_is_in_the_next_read(self, api: Api) -> None:
        finns = segment(api)
        aino = customer(api, given_name="Aino", country="FI")

        assert (members(api, finns), count(api, finns)) == (["Aino"], 1)

        api.patch(f"/v1/customers/{aino['id']}", {"country": "SE"})
        assert (members(api, finns), count(api, finns)) == ([], 0)

    def test_a_deleted_customer_is_in_none_and_back_with_a_restore(self, api: Api) -> None:
        finns = segment(api)
        aino = customer(api, given_name="Aino", country="FI")

        api.delete(f"/v1/customers/{aino['id']}")
        gone = members(api, finns), count(api, finns)
        api.post(f"/v1/customers/{aino['id']}/restore")

        assert gone == ([], 0)
        assert members(api, finns) == ["Aino"]

    def test_another_rule_holds_at_once(self, api: Api) -> None:
        made = segment(api)
        user = segment(api, "Users", "NOT in_segment('Finns')")
        customer(api, given_name="Aino", country="FI")
        customer(api, given_name="Kalle", country="SE")

        api.patch(f"/v1/segments/{made['id']}", {"rule_text": "country = 'SE'"})

        assert (members(api, made), members(api, user)) == (["Kalle"], ["Aino"])

    def test_interactions_count_in_the_next_read(self, api: Api) -> None:
        called = segment(api, "called", "contact_count('call', 30) >= 2")
        mei = customer(api)
        now = datetime.now(UTC)
        for days in (1, 2, 40):
            entry(api, mei["id"], kind="call", occurred_at=(now - timedelta(days=days)).isoformat())

        assert members(api, called) == ["Mei"]
        assert found(api, "in_segment('called') AND contact_count('call', 50) = 3") == ["Mei"]


class TestInSegment:
    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("in_segment('Finns')", ["Aino", "Eero"]),
            ("NOT in_segment('Finns')", ["Kalle", "Nobody"]),
            ("in_segment('Finns') AND in_segment('loyal')", ["Aino"]),
            ("in_segment('not both')", ["Eero", "Kalle", "Nobody"]),
            ("NOT in_segment('not both')", ["Aino"]),
            ("in_segment('Finns') OR country = 'SE'", ["Aino", "Eero", "Kalle"]),
            ("NOT (in_segment('Finns') OR in_segment('loyal'))", ["Nobody"]),
        ],
    )
    def test_it_is_the_rule_of_the_segment_in_its_place(self, api: Api, rule: str, expected: list[str]) -> None:
        segment(api)
        segment(api, "loyal", "A_CONTAINS(tags, ('vip'))")
        segment(api, "not both", "NOT (in_segment('Finns') AND in_segment('loyal'))")
        for name, country, tags in (("Aino", "FI", ["vip"]), ("Eero", "FI", []), ("Kalle", "SE", ["vip"]), ("Nobody", None, [])):
            customer(api, given_name=name, country=country, tags=tags)

        assert found(api, rule) == expected
        assert members(api, segment(api, "asked", rule)) == expected

    def test_a_search_in_json_and_an_export_take_it_too(self, api: Api) -> None:
        segment(api)
        customer(api, given_name="Aino", country="FI")
        customer(api, given_name="Kalle", country="SE")

        searched = api.post("/v1/customers/search", {"filter": {"op": "in_segment", "args": ["Finns"]}})
        exported = api.get("/v1/customers/export", query_string={"filter": "in_segment('Finns')", "fields": "given_name"})

        assert [item["given_name"] for item in searched.json["data"]] == ["Aino"]
        assert exported.get_data(as_text=True).count("\n") == 1

    def test_attributes_behind_it_are_known(self, api: Api) -> None:
        api.put("/v1/attributes/tier", {"type": "string"})
        segment(api, "gold", "attributes.tier = 'gold'")
        segment(api, "not gold", "NOT in_segment('gold')")
        customer(api, given_name="Aino", attributes={"tier": "gold"})
        customer(api, given_name="Kalle")

        assert (found(api, "in_segment('gold')"), found(api, "in_segment('not gold')")) == (["Aino"], ["Kalle"])

    def test_segments_that_name_each_other_in_the_database_do_no_harm(self, api: Api) -> None:
        segment(api, "a")
        segment(api, "b", "in_segment('a')")
        execute(
            api.app,
            "UPDATE segments a SET rule_text = 'in_segment(''b'')', segments = ARRAY[b.id] FROM segments b"
            " WHERE a.name = 'a' AND b.name = 'b'",
        )

        response = api.get("/v1/customers", query_string={"filter": "in_segment('a')"})

        assert problem(response)["code"] == "segment_rule_broken"


class TestPages:
    def test_every_member_is_seen_once_and_the_total_is_exact(self, api: Api) -> None:
        ids = insert_customers(api.app, ({"country": "FI" if number % 2 else "CN"} for number in range(9)))
        finns = segment(api)
        seen: list[str] = []
        query = {"limit": "2", "fields": "country", "count": "exact"}

        while query is not None:
            page = api.get(f"/v1/segments/{finns['id']}/members", query_string=query).json
            seen.extend(item["id"] for item in page["data"])
            assert page["total"] == 4
            assert all(set(item) == {"id", "country"} for item in page["data"])
            query = query | {"cursor": page["next_cursor"]} if page["next_cursor"] else None

        assert sorted(seen) == sorted(ids[1::2])

    def test_a_walk_is_one_evaluation(self, api: Api) -> None:
        young = datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=1.5)
        insert_customers(api.app, ({"created_at": LONG_AGO, "source_updated_at": young} for _ in range(3)))
        fresh = segment(api, "fresh", "days_since(source_updated_at) < 1")
        first = api.get(f"/v1/segments/{fresh['id']}/members?limit=2").json

        execute(api.app, "SELECT pg_sleep(1.6)")

        second = api.get(f"/v1/segments/{fresh['id']}/members", query_string={"limit": "2", "cursor": first["next_cursor"]}).json
        assert (len(first["data"]), len(second["data"])) == (2, 1)
        assert count(api, fresh) == 0

    def test_a_cursor_of_another_segment_is_400(self, api: Api) -> None:
        insert_customers(api.app, ({"country": "FI"} for _ in range(2)))
        one, other = segment(api), segment(api, "other")
        cursor = api.get(f"/v1/segments/{one['id']}/members?limit=1").json["next_cursor"]

        response = api.get(f"/v1/segments/{other['id']}/members?limit=1&cursor={cursor}")

        assert (response.status_code, problem(response)["code"]) == (400, "bad_cursor")
