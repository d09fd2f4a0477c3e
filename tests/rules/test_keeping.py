"""Protects statements that are kept for a rule: they are found again, and never where anything that the rule names means something else."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from app.rules import compiling, keeping
from tests.client import Api


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    keeping._kept.clear()


def found(api: Api, rule: str) -> list[str]:
    response = api.get("/v1/customers", query_string={"filter": rule})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [one["given_name"] for one in response.get_json()["data"]]


def create(api: Api, **fields: Any) -> dict[str, Any]:
    response = api.post("/v1/customers", json=fields)
    assert response.status_code == 201, response.get_data(as_text=True)
    made: dict[str, Any] = response.get_json()
    return made


def put_segment(api: Api, rule: str) -> str:
    response = api.post("/v1/segments", json={"name": "kept", "kind": "dynamic", "rule_text": rule})
    assert response.status_code == 201, response.get_data(as_text=True)
    made: str = response.get_json()["id"]
    return made


class TestSameRule:
    @pytest.mark.parametrize("rule", ["country = 'FI'", "days_since(created_at) < 30", "contact_count('call', 30) < 2"])
    def test_it_is_compiled_once(self, api: Api, rule: str) -> None:
        create(api, given_name="A", country="FI")
        first = found(api, rule)

        with mock.patch.object(compiling, "compile_part", side_effect=AssertionError):
            second = found(api, rule)

        assert first == second == ["A"]

    def test_it_is_evaluated_as_at_each_call(self, api: Api) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=1)
        create(api, given_name="A", source_updated_at=soon.isoformat())
        before = found(api, "source_updated_at < now()")

        time.sleep(1.1)

        assert before == []
        assert found(api, "source_updated_at < now()") == ["A"]

    def test_other_values_are_another_rule(self, api: Api) -> None:
        create(api, given_name="A", country="FI")
        create(api, given_name="B", country="SE")

        assert found(api, "country = 'FI'") == ["A"]
        assert found(api, "country = 'SE'") == ["B"]

    def test_no_more_are_kept_than_there_is_room_for(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeping, "_MOST", 3)

        for number in range(5):
            found(api, f"version = {number}")

        assert len(keeping._kept) == 3


class TestChangedMeaning:
    def test_an_attribute_of_another_type(self, api: Api) -> None:
        assert api.put("/v1/attributes/size", json={"type": "string"}).status_code == 201
        create(api, given_name="A", attributes={"size": "large"})
        as_text = found(api, "attributes.size IS NOT NULL")

        assert api.delete("/v1/attributes/size").status_code == 204
        assert api.put("/v1/attributes/size", json={"type": "integer"}).status_code == 201

        assert as_text == ["A"]
        assert found(api, "attributes.size IS NOT NULL") == []

    def test_a_segment_with_another_rule(self, api: Api) -> None:
        create(api, given_name="A", country="FI")
        create(api, given_name="B", country="SE")
        segment = put_segment(api, "country = 'FI'")
        before = found(api, "in_segment('kept')")
        listed = api.get(f"/v1/segments/{segment}/members").get_json()["data"]

        tag = api.get(f"/v1/segments/{segment}").headers["ETag"]
        changed = api.patch(f"/v1/segments/{segment}", json={"rule_text": "country = 'SE'"}, headers={"If-Match": tag})
        assert changed.status_code == 200, changed.get_data(as_text=True)

        assert before == [one["given_name"] for one in listed] == ["A"]
        assert found(api, "in_segment('kept')") == ["B"]
        assert [one["given_name"] for one in api.get(f"/v1/segments/{segment}/members").get_json()["data"]] == ["B"]

    def test_an_attribute_of_another_type_below_a_segment(self, api: Api) -> None:
        create(api, given_name="A", attributes={"size": "7"})
        create(api, given_name="B", attributes={"size": 7})
        members = []
        for kind in ("string", "integer"):
            assert api.put("/v1/attributes/size", json={"type": kind}).status_code == 201
            segment = put_segment(api, "attributes.size IS NOT NULL")
            members.append(found(api, "in_segment('kept')"))
            assert api.delete(f"/v1/segments/{segment}").status_code == 204
            assert api.delete("/v1/attributes/size").status_code == 204

        assert members == [["A"], ["B"]]
