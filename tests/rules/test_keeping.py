"""Protects statements that are kept for a rule: they are found again, and never where anything that the rule names means something else."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from app.db import planning
from app.db.planning import Expected
from app.db.wire import Statement, Wire
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
    asked = mock.Mock(side_effect=[Expected(cost, is_walk=False) for cost in expected])
    monkeypatch.setattr(planning, "expected", asked)
    return asked


def page(api: Api, monkeypatch: pytest.MonkeyPatch, *, cursor: str | None = None) -> tuple[bytes, Any]:
    """The statement of a page of one of those with two calls, and the answer."""
    sent, answer = asked(api, monkeypatch, filter="contact_count('call', 30) >= 2", limit=1, **({"cursor": cursor} if cursor else {}))
    return next(one.sql for one in sent if b"contact_history" in one.sql), answer


def asked(api: Api, monkeypatch: pytest.MonkeyPatch, **query: Any) -> tuple[list[Statement], Any]:
    """What is sent for a page of customers, the first ones first, and the answer."""
    sent: list[Statement] = []
    execute = Wire.execute

    def noting(self: Wire, statement: Statement, values: Any) -> Any:
        sent.append(statement)
        return execute(self, statement, values)

    with monkeypatch.context() as patched:
        patched.setattr(Wire, "execute", noting)
        response = api.get("/v1/customers", query_string={"sort": "created_at", **query})
    assert response.status_code == 200, response.get_data(as_text=True)
    return sent, response.get_json()


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


@pytest.fixture
def two_countries(api: Api) -> None:
    """Nearly all are in Sweden and two in Finland, which the planner knows."""
    items = [{"op": "create", "data": {"country": "SE"}}] * 1_000
    assert api.post("/v1/customers/batch", json={"items": items}).status_code == 207
    for name in ("A", "B"):
        create(api, given_name=name, country="FI")
    with api.app.extensions["kehu"].database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE customers")


def pages(api: Api, monkeypatch: pytest.MonkeyPatch, rule: str, times: int, **query: Any) -> tuple[Statement, list[str]]:
    """How the last of so many pages was found, and who was."""
    for _ in range(times):
        sent, answer = asked(api, monkeypatch, filter=rule, **query)
    return next(one for one in sent if b"EXPLAIN" not in one.sql and b" customers" in one.sql), [one["id"] for one in answer["data"]]


@pytest.mark.usefixtures("two_countries")
class TestWalk:
    def test_a_rule_of_most_is_planned_once_for_all_when_it_is_asked_for_often(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        anew, before = pages(api, monkeypatch, "country = 'SE'", 5, limit=10)
        walk, after = pages(api, monkeypatch, "country = 'SE'", 1, limit=10)

        assert (anew.is_prepared, walk.is_prepared) == (False, True)
        assert before == after
        assert len(after) == 10

    def test_a_rule_of_few_is_planned_for_its_values(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        sent, found = pages(api, monkeypatch, "country = 'FI'", 7, limit=10)

        assert not sent.is_prepared
        assert len(found) == 2

    def test_what_narrows_beside_the_rule_is_planned_for_its_values(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        sent, _ = pages(api, monkeypatch, "country = 'SE'", 7, limit=10, status="active")

        assert not sent.is_prepared

    def test_the_pages_of_a_walk_are_those_of_the_list(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        rule = "country = 'SE' OR country <> 'FI'"
        in_order = "SELECT id::text FROM customers WHERE country = 'SE' ORDER BY created_at, id"
        with api.app.extensions["kehu"].database.engine.connect() as connection:
            whole = list(connection.exec_driver_sql(in_order).scalars())
        pages(api, monkeypatch, rule, 6, limit=100)

        found: list[str] = []
        cursor = None
        while True:
            sent, answer = asked(api, monkeypatch, filter=rule, limit=100, **({"cursor": cursor} if cursor else {}))
            assert any(one.is_prepared and b"coalesce" in one.sql for one in sent)
            found += [one["id"] for one in answer["data"]]
            cursor = answer["next_cursor"]
            if cursor is None:
                break

        assert found == whole
        assert len(found) == 1_000

    def test_the_planner_is_asked_again_after_a_while(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        pages(api, monkeypatch, "country = 'SE'", 6, limit=10)
        monkeypatch.setattr(keeping, "_ASKED_FOR_SECONDS", 0)
        keeping._kept.clear()
        walk, _ = pages(api, monkeypatch, "country = 'SE'", 6, limit=10)
        # Nobody is in Sweden any more, and the planner has heard of it.
        with api.app.extensions["kehu"].database.engine.connect() as connection:
            connection.exec_driver_sql("UPDATE customers SET country = 'FI' WHERE country = 'SE'")
            connection.exec_driver_sql("ANALYZE customers")

        anew, found = pages(api, monkeypatch, "country = 'SE'", 1, limit=10)

        assert (walk.is_prepared, anew.is_prepared) == (True, False)
        assert found == []


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
