"""Protects what is shown of a rule before it is saved, and the export of members."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.builders import customer, insert_customers, rows
from tests.client import Api, pointers, problem
from tests.segments.calls import put, segment


def preview(api: Api, **body: Any) -> dict[str, Any]:
    response = api.post("/v1/segments/preview", body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return dict(response.json)


class TestPreview:
    def test_a_rule_is_counted_and_sampled_and_nothing_is_saved(self, api: Api) -> None:
        made = [customer(api, country="FI", given_name=str(number)) for number in range(12)]
        customer(api, country="SE")

        by_text = preview(api, rule_text="country = 'FI'")
        by_json = preview(api, rule={"op": "=", "args": [{"property": "country"}, "FI"]})

        assert by_text == by_json == {"count": 12, "joined": None, "left": None, "sample": made[:1:-1]}
        assert rows(api.app, "SELECT 1 FROM segments") == []

    def test_against_a_segment_it_says_who_would_come_and_go(self, api: Api) -> None:
        finns, vips = segment(api), segment(api, "vips", None)
        insert_customers(api.app, ({"country": country} for country in ["FI"] * 3 + ["SE"] * 5 + [None] * 2))
        put(api, vips, customer(api, country="SE"), customer(api, country="FI"))

        northern = preview(api, rule_text="country IN ('FI', 'SE')", segment_id=finns["id"])
        others = preview(api, rule_text="country <> 'FI'", segment_id=finns["id"])
        same = preview(api, rule_text="in_segment('Finns')", segment_id=vips["id"])

        assert [(one["count"], one["joined"], one["left"]) for one in (northern, others, same)] == [(10, 6, 0), (8, 8, 4), (4, 3, 1)]

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({}, {"/rule": "required"}),
            ({"rule_text": "contry = 'FI'"}, {"/rule_text": "unknown_name"}),
            ({"rule_text": "TRUE", "segment_id": "01890000-0000-7000-8000-000000000000"}, {"/segment_id": "unknown_segment"}),
            ({"rule_text": "TRUE", "segment_id": "x"}, {"/segment_id": "invalid_id"}),
            ({"rule_text": "TRUE", "rule": {"op": "isNull", "args": [{"property": "country"}]}}, {"/rule_text": "two_rules"}),
        ],
    )
    def test_what_is_no_rule_is_422(self, api: Api, body: dict[str, Any], found: dict[str, str]) -> None:
        assert pointers(api.post("/v1/segments/preview", body)) == found

    def test_a_rule_that_could_not_be_saved_is_422(self, api: Api) -> None:
        finns = segment(api)
        segment(api, "user", "in_segment('Finns')")

        response = api.post("/v1/segments/preview", {"rule_text": "in_segment('user')", "segment_id": finns["id"]})

        assert pointers(response) == {"/rule_text": "segment_circle"}


class TestExport:
    def test_members_go_out_as_customers_do(self, api: Api) -> None:
        finns = segment(api)
        made = [customer(api, country="FI", given_name="Aino"), customer(api, country="FI", given_name="=Eero")]
        customer(api, country="SE")
        address = f"/v1/segments/{finns['id']}/export"

        lines = api.get(address)
        csv = api.get(f"{address}?fields=given_name,metrics", headers={"Accept": "text/csv"})

        assert [orjson.loads(line) for line in lines.get_data().splitlines()] == made
        assert lines.headers["Kehu-Snapshot"] == "yes"
        header, *cells = csv.get_data(as_text=True).splitlines()
        assert header.startswith("id,given_name,metrics.contact_count,")
        assert [line.split(",")[1] for line in cells] == ["Aino", "'=Eero"]

    def test_what_is_not_there_is_404_and_a_broken_rule_409(self, api: Api) -> None:
        finns = segment(api)
        with api.app.extensions["kehu"].database.engine.connect() as connection:
            connection.exec_driver_sql("UPDATE segments SET rule_text = 'shoe_size = 5'")

        assert api.get(f"/v1/segments/{customer(api)['id']}/export").status_code == 404
        assert problem(api.get(f"/v1/segments/{finns['id']}/export"))["code"] == "segment_rule_broken"

    def test_the_feed_goes_on_from_its_position(self, api: Api) -> None:
        finns = segment(api)
        position = api.get(f"/v1/segments/{finns['id']}/export").headers["Kehu-Position"]
        mei = customer(api)

        found = api.get("/v1/changes", query_string={"after": position}).json["data"]

        assert [event["subject"] for event in found] == [f"customers/{mei['id']}"]
