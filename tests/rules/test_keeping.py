"""Protects statements that are kept for a rule: they are found again, and never where anything that the rule names means something else."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from app.db import planning
from app.db.wire import Wire
from app.rules import compiling, keeping
from tests.builders import entry
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


def costs(monkeypatch: pytest.MonkeyPatch, *expected: float) -> mock.Mock:
    """Has the planner expect these, in the order in which it is asked."""
    asked = mock.Mock(side_effect=expected)
    monkeypatch.setattr(planning, "cost", asked)
    return asked


def page(api: Api, monkeypatch: pytest.MonkeyPatch, *, cursor: str | None = None) -> tuple[bytes, Any]:
    """The statement of a page of one of those with two calls, and the answer."""
    sent: list[bytes] = []
    execute = Wire.execute

    def noting(self: Wire, statement: Any, values: Any) -> Any:
        sent.append(statement.sql)
        return execute(self, statement, values)

    with monkeypatch.context() as patched:
        patched.setattr(Wire, "execute", noting)
        query = {"filter": "contact_count('call', 30) >= 2", "limit": 1, "sort": "created_at", **({"cursor": cursor} if cursor else {})}
        response = api.get("/v1/customers", query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return next(sql for sql in sent if b"contact_history" in sql), response.get_json()


@pytest.fixture
def three_with_two_calls(api: Api) -> list[str]:
    made = []
    for name in "ABC":
        made.append(create(api, given_name=name)["id"])
        for _ in range(2):
            entry(api, made[-1], kind="call", occurred_at=datetime.now(UTC).isoformat())
    create(api, given_name="D")
    return made


ONCE = b"GROUP BY contact_history.customer_id"


@pytest.mark.usefixtures("three_with_two_calls")
class TestTwoForms:
    @pytest.mark.parametrize(("some", "once", "is_once"), [(1.0, 2.0, False), (2.0, 1.0, True), (0.0, 0.0, False)])
    def test_the_one_that_seems_cheaper_is_sent(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, some: float, once: float, is_once: bool
    ) -> None:
        costs(monkeypatch, some, once)

        sql, answer = page(api, monkeypatch)

        assert (ONCE in sql) is is_once
        assert [one["given_name"] for one in answer["data"]] == ["A"]

    def test_the_planner_is_not_asked_for_every_page(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = costs(monkeypatch, 2, 1)

        page(api, monkeypatch)
        sql, _ = page(api, monkeypatch)

        assert ONCE in sql
        assert asked.call_count == 2

    def test_it_is_asked_again_after_a_while(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keeping, "_ASKED_FOR_SECONDS", 0)
        costs(monkeypatch, 2, 1, 1, 2)

        before, _ = page(api, monkeypatch)
        after, _ = page(api, monkeypatch)

        assert (ONCE in before, ONCE in after) == (True, False)

    @pytest.mark.parametrize(("last", "is_once"), [(3.0, True), (0.5, False)])
    def test_the_last_pages_are_looked_up_where_that_is_cheap(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, last: float, is_once: bool
    ) -> None:
        costs(monkeypatch, 2, 1, last)
        _, first = page(api, monkeypatch)

        sql, second = page(api, monkeypatch, cursor=first["next_cursor"])

        assert (ONCE in sql) is is_once
        assert [one["given_name"] for one in second["data"]] == ["B"]

    def test_by_the_planners_own_word_it_finds_the_same(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        _, answer = page(api, monkeypatch)

        assert [one["given_name"] for one in answer["data"]] == ["A"]


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
