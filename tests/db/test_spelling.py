"""Protects statements with values in them: each value is what it would be in a place, and no text of a caller's is anything but a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Integer, Text, bindparam, cast, func, literal, select, text
from sqlalchemy.types import TypeEngine

from app.db.planning import PlannedAnew
from app.db.spelling import Spelt, quoted
from tests.builders import database
from tests.db.test_wire import VALUES

ATTACKS = [
    "'; SELECT 1; --",
    "\\'; SELECT 1; --",
    "\\",
    "''",
    "E'",
    "$1",
    "%(x)s",
    "%%",
    ":x",
    "\\u0041",
    "/*",
    "\n--",
    "張\u0301",
    "\U0010ffff",
]


@pytest.fixture
def db(app: Flask) -> Iterator[Connection]:
    with database(app) as connection:
        yield connection


def same(db: Connection, value: str) -> Any:
    found = Spelt(select(literal(value, Text()).label("same"))).one_or_none(db, {})
    assert found is not None
    return found[0]


class TestValues:
    @pytest.mark.parametrize(("kind", "value"), VALUES)
    def test_each_is_what_it_is_in_a_place(self, db: Connection, kind: TypeEngine[Any], value: Any) -> None:
        statement = select(cast(literal(value, kind), kind).label("same"))

        found = Spelt(statement).one_or_none(db, {})

        expected = db.execute(statement).one()[0]
        assert found is not None
        assert (found[0], type(found[0])) == (expected, type(expected))

    @pytest.mark.parametrize("setting", ["on", "off"])
    @pytest.mark.parametrize("value", ATTACKS)
    def test_a_text_stays_a_text_under_every_setting(self, db: Connection, value: str, setting: str) -> None:
        db.execute(text(f"SET standard_conforming_strings = {setting}"))

        found = same(db, value)
        db.execute(text("RESET standard_conforming_strings"))

        assert found == value

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    def test_nothing_that_could_mean_something_gets_into_a_literal(self, db: Connection, value: str) -> None:
        assert re.fullmatch(r"E'([0-9A-Za-z .:+-]|\\U[0-9a-f]{8})*'", quoted(value))
        assert same(db, value) == value

    def test_a_value_that_is_not_brought_has_a_place(self, db: Connection) -> None:
        statement = Spelt(select(literal("a", Text()) + bindparam("more", type_=Text())))

        assert statement.sql.count(b"$") == 1
        assert statement.all(db, {"more": "b"}) == [("ab",)]


class TestPlans:
    def test_what_is_planned_anew_is_never_prepared_however_often_it_is_run(self, db: Connection) -> None:
        statement = PlannedAnew(select(func.abs(bindparam("number", type_=Integer())).label("planned_anew")))

        for number in range(10):
            assert statement.all(db, {"number": -number}) == [(number,)]

        assert db.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%abs%planned_anew'")).scalar_one() == 0

    def test_what_brings_all_of_its_values_is_planned_once(self, db: Connection) -> None:
        statement = Spelt(select(func.abs(literal(-7, Integer())).label("planned_once")))

        for _ in range(10):
            assert statement.all(db, {}) == [(7,)]

        told = "SELECT custom_plans FROM pg_prepared_statements WHERE statement LIKE '%abs%planned_once'"
        assert db.execute(text(told)).scalars().all() == [0]
