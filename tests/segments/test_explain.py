"""Protects why a customer is in a segment: each clause with its text, the customer's own values, and whether it passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.builders import customer, entry, execute
from tests.client import Api, pointers, problem
from tests.segments.calls import count, put, segment


def explained(api: Api, found: dict[str, Any], who: dict[str, Any]) -> dict[str, Any]:
    response = api.get(f"/v1/segments/{found['id']}/explain", query_string={"customer_id": who["id"]})
    assert response.status_code == 200, response.get_data(as_text=True)
    return dict(response.json)


def lines(clause: dict[str, Any], level: int = 0) -> list[tuple[int, str, bool, dict[str, Any]]]:
    """The tree, one clause after the other."""
    values = {one["name"]: one["value"] for one in clause["values"]}
    below = [line for one in clause["clauses"] for line in lines(one, level + 1)]
    return [(level, clause["text"] if clause["kind"] == "condition" else clause["kind"], clause["passed"], values), *below]


class TestExplain:
    def test_it_is_answered_whole(self, api: Api) -> None:
        finns, aino = segment(api), customer(api, country="FI")

        answer = explained(api, finns, aino)

        assert answer == {
            "segment_id": finns["id"],
            "customer_id": aino["id"],
            "passed": True,
            "evaluated_at": answer["evaluated_at"],
            "clause": {
                "kind": "condition",
                "text": "country = 'FI'",
                "passed": True,
                "values": [{"name": "country", "value": "FI"}],
                "clauses": [],
            },
        }

    def test_each_clause_has_its_answer(self, api: Api) -> None:
        rule = "(country = 'FI' OR A_CONTAINS(tags, ('vip'))) AND NOT birthday IS NULL AND status <> 'blocked' AND email LIKE 'a%'"
        made = segment(api, rule_text=rule)
        kalle = customer(api, country="SE", tags=["vip", "new"], birthday="1984-02-29", email="Kalle@x.example")

        assert lines(explained(api, made, kalle)["clause"]) == [
            (0, "and", False, {}),
            (1, "or", True, {}),
            (2, "country = 'FI'", False, {"country": "SE"}),
            (2, "A_CONTAINS(tags, ('vip'))", True, {"tags": ["vip", "new"]}),
            (1, "not", True, {}),
            (2, "birthday IS NULL", False, {"birthday": "1984-02-29"}),
            (1, "status <> 'blocked'", True, {"status": "active"}),
            (1, "email LIKE 'a%'", False, {"email": "kalle@x.example"}),
        ]

    def test_metrics_windows_and_times_are_shown_exactly(self, api: Api) -> None:
        now = datetime.now(UTC)
        rule = (
            "metrics.order_total.CNY > 0.3 AND order_total('CNY', 30) = 0.1 AND contact_count('call', 7) < 1 AND days_since(created_at) < 1"
        )
        made = segment(api, rule_text=rule)
        mei = customer(api)
        for days, amount in ((1, "0.10"), (40, "1234567890123.45")):
            entry(api, mei["id"], kind="order", amount=amount, currency="CNY", occurred_at=(now - timedelta(days=days)).isoformat())

        values = [line[3] for line in lines(explained(api, made, mei)["clause"])][1:]
        raw = api.get(f"/v1/segments/{made['id']}/explain", query_string={"customer_id": mei["id"]}).get_data()

        assert b'"value":1234567890123.55' in raw
        assert values[1] == {"order_total('CNY', 30)": 0.1}
        assert values[2] == {"contact_count('call', 7)": 0}
        assert values[3] == {"days_since(created_at)": 0, "created_at": mei["created_at"]}

    def test_attributes_of_any_type_are_shown(self, api: Api) -> None:
        for name, kind in (("sizes", "string_list"), ("score", "number"), ("gold", "boolean"), ("since", "timestamp")):
            api.put(f"/v1/attributes/{name}", {"type": kind})
        rule = (
            "A_OVERLAPS(attributes.sizes, ('S')) AND attributes.score > 1 AND attributes.gold = TRUE"
            " AND attributes.since < now() AND CASEI(country) = CASEI('fi') AND addresses.city IS NULL"
        )
        made = segment(api, rule_text=rule)
        mei = customer(api, country="FI", attributes={"sizes": ["S", "M"], "score": 1.5, "gold": True, "since": "2024-01-01T00:00:00Z"})

        answer = explained(api, made, mei)

        values = [line[3] for line in lines(answer["clause"])][1:]
        assert answer["passed"] is True
        assert values[:3] == [{"attributes.sizes": ["S", "M"]}, {"attributes.score": 1.5}, {"attributes.gold": True}]
        assert values[3] == {"attributes.since": "2024-01-01T00:00:00Z", "now()": answer["evaluated_at"]}
        assert values[4] == {"CASEI(country)": "fi", "country": "FI", "CASEI('fi')": "fi"}

    def test_segments_that_are_named_are_opened(self, api: Api) -> None:
        segment(api)
        vips, aino = segment(api, "vips", None), customer(api, country="FI")
        put(api, vips, aino)
        both = segment(api, "both", "in_segment('Finns') AND NOT in_segment('vips')")

        assert lines(explained(api, both, aino)["clause"]) == [
            (0, "and", False, {}),
            (1, "in_segment", True, {}),
            (2, "country = 'FI'", True, {"country": "FI"}),
            (1, "not", False, {}),
            (2, "in_segment", True, {}),
        ]
        assert explained(api, vips, aino)["clause"]["text"] == "in_segment('vips')"
        assert explained(api, vips, customer(api))["passed"] is False

    @pytest.mark.parametrize(
        "rule",
        [
            "country = 'FI' AND NOT (status = 'blocked' OR metrics.order_count > 0)",
            "country <> 'FI'",
            "NOT country = 'FI'",
            "metrics.last_order_at < now() OR country IS NULL",
            "TRUE",
            "contact_count('call', 30) = 0",
        ],
    )
    def test_it_says_what_the_count_says(self, api: Api, rule: str) -> None:
        made = segment(api, rule_text=rule)
        for country in ("FI", None):
            who = customer(api, country=country)
            alone = segment(api, f"alone {country}", f"id = '{who['id']}' AND in_segment('{made['name']}')")

            assert explained(api, made, who)["passed"] == (count(api, alone) == 1)

    def test_whom_there_is_not_is_404_and_who_is_deleted_410(self, api: Api) -> None:
        finns, aino = segment(api), customer(api, country="FI")
        address = f"/v1/segments/{finns['id']}/explain"
        api.delete(f"/v1/customers/{aino['id']}")

        assert api.get(f"{address}?customer_id={finns['id']}").status_code == 404
        assert api.get(f"{address}?customer_id={aino['id']}").status_code == 410
        assert pointers(api.get(address)) == {"query.customer_id": "required"}


class TestOwnSegments:
    def test_all_segments_of_a_customer_are_found_now(self, api: Api) -> None:
        finns, vips = segment(api), segment(api, "vips", None)
        segment(api, "Swedes", "country = 'SE'")
        segment(api, "nobody's", None)
        neither = segment(api, "neither", "NOT (in_segment('Swedes') OR in_segment('nobody''s'))", description="Mind.")
        aino = customer(api, country="FI")
        put(api, vips, aino)

        response = api.get(f"/v1/customers/{aino['id']}/segments")

        expected = [{name: one[name] for name in ("id", "name", "description", "kind")} for one in (finns, neither, vips)]
        assert response.json == {"data": expected, "next_cursor": None}

    def test_they_are_asked_by_one_statement_however_many(self, api: Api) -> None:
        aino = customer(api, country="FI")
        for number in range(120):
            segment(api, f"s{number:03}", f"country = 'FI' AND metrics.order_count <> {number}")

        found = [one["name"] for one in api.get(f"/v1/customers/{aino['id']}/segments").json["data"]]

        assert found == [f"s{number:03}" for number in range(1, 120)]

    def test_a_deleted_customer_is_410_and_none_404(self, api: Api) -> None:
        finns, aino = segment(api), customer(api)
        api.delete(f"/v1/customers/{aino['id']}")

        assert api.get(f"/v1/customers/{aino['id']}/segments").status_code == 410
        assert api.get(f"/v1/customers/{finns['id']}/segments").status_code == 404

    def test_where_a_rule_is_broken_nobody_knows(self, api: Api) -> None:
        segment(api)
        execute(api.app, "UPDATE segments SET rule_text = 'shoe_size = 5'")

        response = api.get(f"/v1/customers/{customer(api)['id']}/segments")

        assert (response.status_code, problem(response)["code"]) == (409, "segment_rule_broken")
