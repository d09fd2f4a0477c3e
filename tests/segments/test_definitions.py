"""Protects definitions of segments: their fields, both forms of a rule, versions and events, names that are taken or used, circles."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest

from app.core import limits
from app.core.caller import command_line
from app.core.preconditions import Precondition
from app.db import unit_of_work
from app.db.unit_of_work import UnitOfWork
from app.segments import meaning, service
from tests.builders import events, execute, rows
from tests.client import Api, pointers, problem
from tests.segments.calls import members, segment

STATIC_TOLD = "UPDATE segment_states SET xid = pg_current_xact_id()"
RULE = {"op": "=", "args": [{"property": "country"}, "FI"]}


def feed(api: Api, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The events about a segment."""
    response = api.get("/v1/changes", query_string={"subject": f"segments/{found['id']}"})
    return list(response.json["data"])


class TestPost:
    def test_a_segment_is_answered_whole(self, api: Api) -> None:
        response = api.post("/v1/segments", {"name": "Finns", "description": "All of them.", "rule_text": "country='FI'"})

        assert response.status_code == 201
        ours = {name: response.json[name] for name in ("id", "created_at", "updated_at")}
        assert response.json == ours | {
            "name": "Finns",
            "description": "All of them.",
            "kind": "dynamic",
            "rule": RULE,
            "rule_text": "country = 'FI'",
            "state": "filling",
            "member_count": None,
            "evaluated_at": None,
            "version": 1,
        }
        assert response.headers["Location"] == f"/v1/segments/{response.json['id']}"
        assert response.headers["ETag"] == '"1.0"'
        shown = api.get(response.headers["Location"])
        assert (shown.json, shown.headers["ETag"]) == (response.json, '"1.0"')

    def test_a_rule_in_json_is_the_same_segment(self, api: Api) -> None:
        made = segment(api, rule_text="country = 'FI'")

        other = api.post("/v1/segments", {"name": "Other", "rule": RULE})

        assert other.status_code == 201
        assert (other.json["rule"], other.json["rule_text"]) == (made["rule"], made["rule_text"])

    def test_a_rule_of_everybody_is_true_in_both_forms(self, api: Api) -> None:
        made = segment(api, rule_text="TRUE")

        assert (made["rule"], made["rule_text"]) == (True, "TRUE")
        assert api.patch(f"/v1/segments/{made['id']}", {"rule": True}).json == made

    def test_every_digit_of_a_number_comes_back(self, api: Api) -> None:
        data = b'{"name": "n", "rule": {"op": ">", "args": [{"property": "metrics.order_total.CNY"}, 0.1000000000000000000001]}}'

        response = api.post("/v1/segments", data=data, content_type="application/json")

        assert b"0.1000000000000000000001]" in response.get_data()
        assert response.json["rule_text"] == "metrics.order_total.CNY > 0.1000000000000000000001"

    def test_a_static_segment_is_current_and_empty(self, api: Api) -> None:
        made = segment(api, rule_text=None)

        assert (made["kind"], made["rule"], made["rule_text"]) == ("static", None, None)
        assert (made["state"], made["member_count"]) == ("current", 0)

    def test_a_new_segment_is_an_event_with_all_of_it(self, api: Api) -> None:
        made = segment(api)

        (event,) = feed(api, made)

        told = {name: made[name] for name in event["data"]["changed"]}
        assert event["type"] == "segment.created"
        assert event["data"] == {"before": None, "after": told, "changed": list(told)}
        assert set(told) == {"id", "name", "description", "kind", "rule_text", "version", "created_at", "updated_at"}

    def test_a_taken_name_is_409_with_who_has_it(self, api: Api) -> None:
        made = segment(api)

        response = api.post("/v1/segments", {"name": "Finns", "kind": "static"})

        assert response.status_code == 409
        assert (problem(response)["code"], problem(response)["existing_id"]) == ("segment_name_taken", made["id"])

    def test_there_is_an_end_to_them(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "SEGMENTS_MAX", 1)
        segment(api)

        response = api.post("/v1/segments", {"name": "more", "kind": "static"})

        assert (response.status_code, problem(response)["code"]) == (409, "too_many_segments")

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({}, {"/name": "required"}),
            ({"name": "x"}, {"/rule": "required"}),
            ({"name": "x", "kind": "static", "rule": RULE}, {"/rule": "not_allowed"}),
            ({"name": "x", "kind": "other", "rule": RULE}, {"/kind": "not_a_choice"}),
            ({"name": "x", "rule": RULE, "rule_text": "country = 'CN'"}, {"/rule_text": "two_rules"}),
            ({"name": "x", "rule_text": "contry = 'FI'"}, {"/rule_text": "unknown_name"}),
            ({"name": "x", "rule": {"op": "=", "args": [{"property": "contry"}, "FI"]}}, {"/rule/args/0": "unknown_name"}),
            ({"name": "x", "rule_text": "in_segment('nobody')"}, {"/rule_text": "unknown_segment"}),
            ({"name": "x", "rule_text": "in_segment(country)"}, {"/rule_text": "wrong_type"}),
            ({"name": "x", "rule": "country = 'FI'"}, {"/rule": "wrong_type"}),
            ({"name": "x", "rule": RULE, "members": 1}, {"/members": "unknown_field"}),
            ({"name": "x" * 256, "rule": RULE}, {"/name": "too_long"}),
            ({"name": "x", "rule": RULE, "description": "x" * 2001}, {"/description": "too_long"}),
        ],
    )
    def test_a_segment_that_is_none_is_422(self, api: Api, body: dict[str, Any], found: dict[str, str]) -> None:
        assert pointers(api.post("/v1/segments", body)) == found

    def test_a_rule_that_is_longer_written_out_is_422_where_it_could_not_be_read_again(self, api: Api) -> None:
        listed = ",".join("'x'" for _ in range(450))
        rule = " or ".join(f"country in({listed})" for _ in range(4))
        assert len(rule) < limits.RULE_TEXT_MAX < len(rule.replace(",", ", "))

        assert list(pointers(api.post("/v1/segments", {"name": "x", "rule_text": rule}))) == ["/rule_text"]


class TestPatch:
    def test_what_is_left_out_stays_and_null_clears(self, api: Api) -> None:
        made = segment(api, description="All of them.")

        renamed = api.patch(f"/v1/segments/{made['id']}", {"name": "Suomalaiset"})
        cleared = api.patch(f"/v1/segments/{made['id']}", {"description": None})

        changed = {"name": "Suomalaiset", "description": None, "version": 3, "updated_at": cleared.json["updated_at"]}
        assert renamed.json["description"] == "All of them."
        assert cleared.json == made | changed
        assert [(event["type"], event["data"]["changed"]) for event in feed(api, made)[1:]] == [
            ("segment.updated", ["name"]),
            ("segment.updated", ["description"]),
        ]

    def test_the_same_rule_in_other_words_is_no_change(self, api: Api) -> None:
        made = segment(api)

        for same in ({"rule_text": "((country='FI'))"}, {"rule": RULE}, {}, {"kind": "dynamic"}, made_again(made)):
            assert api.patch(f"/v1/segments/{made['id']}", same).json == made

        assert events(api.app) == ["segment.created"]

    def test_what_was_read_may_be_sent_back_with_one_form_of_the_rule_changed(self, api: Api) -> None:
        made = segment(api)

        response = api.patch(f"/v1/segments/{made['id']}", made_again(made) | {"rule_text": "country = 'SE'"})

        assert response.json["rule"]["args"][1] == "SE"

    def test_another_rule_is_filled_again_and_so_is_who_names_it(self, api: Api) -> None:
        made = segment(api)
        user = segment(api, "Users", "in_segment('Finns')")
        users_user = segment(api, "More", "NOT in_segment('Users')")
        other = segment(api, "Other", "country = 'CN'")
        execute(api.app, "UPDATE segment_states SET filled = wanted")

        api.patch(f"/v1/segments/{made['id']}", {"rule_text": "country = 'SE'"})

        states = {one["name"]: api.get(f"/v1/segments/{one['id']}").json["state"] for one in (made, user, users_user, other)}
        assert states == {"Finns": "filling", "Users": "filling", "More": "filling", "Other": "current"}

    @pytest.mark.parametrize(
        ("body", "found"),
        [
            ({"kind": "static"}, {"/kind": "kind_fixed"}),
            ({"rule_text": None}, {"/rule": "required"}),
            ({"rule": None}, {"/rule": "required"}),
            ({"name": None}, {"/name": "null"}),
            ({"rule_text": "country ="}, {"/rule_text": "syntax"}),
            ({"nonsense": 1}, {"/nonsense": "unknown_field"}),
        ],
    )
    def test_what_cannot_be_is_422(self, api: Api, body: dict[str, Any], found: dict[str, str]) -> None:
        made = segment(api)

        assert pointers(api.patch(f"/v1/segments/{made['id']}", body)) == found

    def test_a_static_one_takes_no_rule(self, api: Api) -> None:
        made = segment(api, rule_text=None)

        assert pointers(api.patch(f"/v1/segments/{made['id']}", {"rule_text": "country = 'FI'"})) == {"/rule_text": "not_allowed"}
        assert api.patch(f"/v1/segments/{made['id']}", {"rule_text": None, "rule": None}).json == made

    def test_a_stale_version_is_412(self, api: Api) -> None:
        made = segment(api)
        api.patch(f"/v1/segments/{made['id']}", {"name": "x"}, headers={"If-Match": '"1.0"'})

        response = api.patch(f"/v1/segments/{made['id']}", {"name": "y"}, headers={"If-Match": '"1"'})

        assert response.status_code == 412

    def test_a_taken_name_is_409(self, api: Api) -> None:
        made = segment(api)
        segment(api, "Other")

        response = api.patch(f"/v1/segments/{made['id']}", {"name": "Other"})

        assert problem(response)["code"] == "segment_name_taken"


class TestDelete:
    def test_it_is_gone_for_good_and_its_name_is_free(self, api: Api) -> None:
        made = segment(api)

        assert api.delete(f"/v1/segments/{made['id']}").status_code == 204

        assert api.get(f"/v1/segments/{made['id']}").status_code == 404
        assert api.delete(f"/v1/segments/{made['id']}").status_code == 404
        assert api.get(f"/v1/segments/{made['id']}/count").status_code == 404
        assert segment(api)["id"] != made["id"]
        deleted = feed(api, made)[-1]
        assert (deleted["type"], deleted["data"]["after"], deleted["data"]["before"]["name"]) == ("segment.deleted", None, "Finns")
        assert rows(api.app, "SELECT 1 FROM segment_states WHERE segment_id = :id", id=made["id"]) == []

    @pytest.mark.parametrize("told", ["UPDATE segment_lanes SET fence = pg_current_xact_id() WHERE lane = 2", STATIC_TOLD])
    def test_it_is_told_after_the_last_member_though_its_transaction_began_before(self, api: Api, told: str) -> None:
        made = segment(api)
        tries: list[int] = []

        def work(unit: UnitOfWork) -> None:
            tries.append(unit.xid)
            if len(tries) == 1:
                execute(api.app, told)
            service.delete(unit, command_line("tests"), segment_id=UUID(made["id"]), precondition=Precondition())

        unit_of_work.run(api.app.extensions["kehu"].database, time.monotonic() + 10, work)

        assert len(tries) == 2
        assert api.get(f"/v1/segments/{made['id']}").status_code == 404

    def test_one_that_another_names_keeps_its_name_and_stays(self, api: Api) -> None:
        made = segment(api)
        user = segment(api, "Users", "in_segment('Finns') OR country = 'SE'")
        segment(api, "Users of users", "NOT in_segment('Users')")

        refused = [api.delete(f"/v1/segments/{made['id']}"), api.patch(f"/v1/segments/{made['id']}", {"name": "Suomi"})]

        assert [problem(response)["code"] for response in refused] == ["segment_in_use"] * 2
        assert problem(refused[0])["used_by"] == [{"id": user["id"], "name": "Users"}]
        api.patch(f"/v1/segments/{user['id']}", {"rule_text": "country = 'SE'"})
        assert api.delete(f"/v1/segments/{made['id']}").status_code == 204


class TestCircles:
    def test_a_circle_is_422_where_the_name_stands(self, api: Api) -> None:
        first = segment(api, "first")
        segment(api, "second", "in_segment('first')")
        segment(api, "third", "NOT in_segment('second')")

        for name in ("first", "second", "third"):
            response = api.patch(f"/v1/segments/{first['id']}", {"rule_text": f"country = 'FI' OR in_segment('{name}')"})
            assert pointers(response) == {"/rule_text": "segment_circle"}
            assert problem(response)["errors"][0]["position"] == 29

    def test_a_new_segment_cannot_name_itself(self, api: Api) -> None:
        assert pointers(api.post("/v1/segments", {"name": "me", "rule_text": "in_segment('me')"})) == {"/rule_text": "unknown_segment"}

    def test_an_unknown_name_is_422_with_the_nearest(self, api: Api) -> None:
        segment(api, "loyal customers")

        response = api.get("/v1/customers", query_string={"filter": "country = 'FI' AND in_segment('loyal custmers')"})

        assert pointers(response) == {"query.filter": "unknown_segment"}
        assert "`loyal customers`" in problem(response)["errors"][0]["detail"]
        assert problem(response)["errors"][0]["position"] == 30

    def test_segments_do_not_stand_behind_each_other_without_end(self, api: Api) -> None:
        segment(api, "0")
        for level in range(limits.SEGMENT_LEVELS_MAX):
            last = segment(api, str(level + 1), f"in_segment('{level}')")

        one_more = api.post("/v1/segments", {"name": "x", "rule_text": f"in_segment('{limits.SEGMENT_LEVELS_MAX}')"})
        below = segment(api, "below", "country = 'CN'")
        from_below = api.patch(f"/v1/segments/{first_of(api)}", {"rule_text": "in_segment('below')"})

        assert pointers(one_more) == {"/rule_text": "segments_too_deep"}
        assert pointers(from_below) == {"/rule_text": "segments_too_deep"}
        assert "segment `5`" in problem(from_below)["errors"][0]["detail"]
        assert members(api, last) == members(api, below) == []
        asked = api.get("/v1/customers", query_string={"filter": f"in_segment('{limits.SEGMENT_LEVELS_MAX}')"})
        assert asked.status_code == 200

    def test_rules_together_are_bounded(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meaning, "OF_A_SEGMENT", meaning.Weight(nodes=8, levels=5))
        segment(api)
        twice = segment(api, "twice", "country = 'SE'")
        segment(api, "user", "in_segment('twice')")

        one = api.patch(f"/v1/segments/{twice['id']}", {"rule_text": "in_segment('Finns') OR country = 'SE'"})
        other = api.patch(f"/v1/segments/{twice['id']}", {"rule_text": "country = 'SE' OR country = 'FI'"})

        assert pointers(one) == {"/rule_text": "rule_too_large"}
        assert "`user`" in problem(other)["errors"][0]["detail"]


class TestBroken:
    def test_a_rule_that_is_not_sound_any_more_is_409_with_why(self, api: Api) -> None:
        made = segment(api)
        user = segment(api, "Users", "in_segment('Finns')")
        execute(api.app, "UPDATE segments SET rule_text = 'shoe_size = 5' WHERE name = 'Finns'")

        answers = [
            api.get(f"/v1/segments/{made['id']}/members"),
            api.get(f"/v1/segments/{user['id']}/count"),
            api.get("/v1/customers", query_string={"filter": "in_segment('Users')"}),
        ]

        for response in answers:
            assert response.status_code == 409
            assert problem(response)["code"] == "segment_rule_broken"
            assert problem(response)["segment_id"] == made["id"]
            assert problem(response)["faults"][0]["code"] == "unknown_name"
        assert api.get(f"/v1/segments/{made['id']}").status_code == 200
        assert api.patch(f"/v1/segments/{made['id']}", {"rule_text": "country = 'FI'"}).status_code == 200

    def test_a_text_that_is_no_rule_any_more_is_shown_and_can_be_mended(self, api: Api) -> None:
        made = segment(api)
        execute(api.app, "UPDATE segments SET rule_text = 'country =='")

        assert api.get(f"/v1/segments/{made['id']}").json["rule"] is None
        assert problem(api.get(f"/v1/segments/{made['id']}/count"))["code"] == "segment_rule_broken"
        assert api.patch(f"/v1/segments/{made['id']}", {"rule_text": "country = 'FI'"}).json["rule"] == RULE


class TestAttributes:
    def test_an_attribute_that_a_rule_names_cannot_be_retired(self, api: Api) -> None:
        api.put("/v1/attributes/tier", {"type": "string"})
        made = segment(api, rule_text="attributes.tier = 'gold'")

        refused = api.delete("/v1/attributes/tier")

        assert (refused.status_code, problem(refused)["code"]) == (409, "attribute_in_use")
        assert problem(refused)["used_by"] == [{"id": made["id"], "name": "Finns"}]
        api.delete(f"/v1/segments/{made['id']}")
        assert api.delete("/v1/attributes/tier").status_code == 204

    def test_what_rules_may_name_tells_of_segments(self, api: Api) -> None:
        named = {item["name"]: item for item in api.get("/v1/attributes").json["data"]}

        assert named["in_segment"]["parameters"] == [{"name": "name", "types": ["string"]}]
        assert (named["in_segment"]["type"], named["in_segment"]["operators"]) == ("boolean", [])


class TestList:
    def test_they_are_paged_and_sorted(self, api: Api) -> None:
        names = [segment(api, name, kind)["name"] for name, kind in (("b", None), ("a", "country = 'FI'"), ("c", None))]

        newest = [item["name"] for item in api.get("/v1/segments").json["data"]]
        first = api.get("/v1/segments", query_string={"sort": "name", "limit": "2"})
        second = api.get(first.headers["Link"].split(">")[0][1:])

        assert newest == names[::-1]
        assert [item["name"] for page in (first, second) for item in page.json["data"]] == ["a", "b", "c"]
        assert [item["name"] for item in api.get("/v1/segments?kind=dynamic").json["data"]] == ["a"]
        assert [item["name"] for item in api.get("/v1/segments?name=c").json["data"]] == ["c"]

    def test_what_the_worker_says_is_shown_and_is_in_the_tag(self, api: Api) -> None:
        made = segment(api)
        before = api.get(f"/v1/segments/{made['id']}").headers["ETag"]
        execute(api.app, "UPDATE segment_states SET filled = wanted")
        execute(api.app, "INSERT INTO segment_counts VALUES (:id, 0, 3), (:id, 1, 4)", id=made["id"])
        execute(api.app, "UPDATE segment_lanes SET evaluated_at = '2100-01-02T03:04:05Z'")
        execute(api.app, "UPDATE segment_lanes SET evaluated_at = '2100-01-01T03:04:05Z' WHERE lane = 2")

        fresh = api.get(f"/v1/segments/{made['id']}", headers={"If-None-Match": before})

        shown = {name: fresh.json[name] for name in ("state", "member_count", "evaluated_at")}
        assert shown == {"state": "current", "member_count": 7, "evaluated_at": "2100-01-01T03:04:05Z"}
        assert fresh.headers["ETag"] == '"1.8"'
        assert api.get(f"/v1/segments/{made['id']}", headers={"If-None-Match": '"1.8"'}).status_code == 304


def made_again(made: dict[str, Any]) -> dict[str, Any]:
    """A segment as it may be sent back."""
    ours = ("id", "state", "member_count", "evaluated_at", "version", "created_at", "updated_at")
    return {name: value for name, value in made.items() if name not in ours}


def first_of(api: Api) -> str:
    """The oldest segment."""
    return str(api.get("/v1/segments?sort=created_at&limit=1").json["data"][0]["id"])
