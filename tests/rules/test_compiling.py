"""Protects the meaning of rules: the SQL of a rule finds the customers that an interpreter in plain Python finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection, select, text

from app.contact_history import windows
from app.customers import catalogue as customers
from app.customers.models import Customer
from app.rules import builtins, checking, compiling, tree
from app.rules import text as rule_text
from app.rules.catalogue import Catalogue
from app.rules.evaluation import Evaluation, Reach
from tests.builders import database, insert_customers
from tests.conftest import TABLES
from tests.rules import interpreter, pools
from tests.rules.histories import NOW, insert_entries
from tests.rules.pools import Population

EXAMPLES = int(os.environ.get("KEHU_TEST_RULES", "500"))
CATALOGUE = Catalogue.of([builtins.ENTRIES, customers.entries(), windows.ENTRIES])


@pytest.fixture(scope="module")
def rows(session_app: Flask) -> Population:
    """Random customers, all of them in the table."""
    with database(session_app) as connection:
        connection.execute(text(f"TRUNCATE {TABLES}"))
    made = pools.rows(60)
    insert_customers(session_app, ({name: value for name, value in row.items() if name != "entries"} for row in made))
    insert_entries(session_app, (entry for row in made for entry in row["entries"]))
    return made


@pytest.fixture(scope="module")
def db(session_app: Flask) -> Iterator[Connection]:
    with database(session_app) as connection:
        yield connection


def found(db: Connection, rule: tree.Condition) -> set[Any]:
    """The ids that the SQL of `rule` finds, in each of its forms."""
    checked = checking.check(rule, CATALOGUE)
    conditions = [compiling.compile_part(checked, Evaluation(NOW, reach)) for reach in Reach]
    some, *others = (set(db.execute(select(Customer.id).where(condition)).scalars()) for condition in conditions)
    assert all(other == some for other in others)
    return some


def expected(rows: Population, rule: tree.Condition) -> set[Any]:
    return {row["id"] for row in rows if interpreter.matches(rule, row, now=NOW)}


class TestAgreement:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(rule=pools.rules())
    def test_sql_finds_whom_the_interpreter_finds(self, db: Connection, rows: Population, rule: tree.Condition) -> None:
        assert found(db, rule) == expected(rows, rule)

    @settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(rule=pools.rules())
    def test_a_customer_is_found_by_a_rule_or_by_its_not_and_never_by_both(
        self, db: Connection, rows: Population, rule: tree.Condition
    ) -> None:
        everybody = {row["id"] for row in rows}

        by_rule, by_inverse = found(db, rule), found(db, tree.Not(0, rule))

        assert by_rule | by_inverse == everybody
        assert by_rule & by_inverse == set()


class TestDaysSince:
    """The one function whose comparisons become something else, so each of them at each of its edges."""

    @pytest.mark.parametrize(
        "number", ["-3", "-1", "0", "0.5", "1", "2.5", "29", "29.999", "30", "30.000001", "31", "1000000", "1e30", "-1e30"]
    )
    def test_every_comparison_holds_at_the_edge(self, db: Connection, rows: Population, number: str) -> None:
        days = "days_since(metrics.last_order_at)"
        compared = [f"{days} {sign} {number}" for sign in pools.ORDERS] + [f"{number} {sign} {days}" for sign in pools.ORDERS]
        listed = [f"{days} BETWEEN {number} AND 30", f"{days} BETWEEN -1 AND {number}", f"{days} IN ({number}, 1)"]

        for written in [*compared, *listed]:
            rule = rule_text.parse(written)
            assert found(db, rule) == expected(rows, rule), written


class TestNull:
    """By hand, what the documentation says of NULL."""

    @pytest.mark.parametrize(
        ("with_null", "without"),
        [
            ("owner <> 'z'", "owner = 'z'"),
            ("owner NOT IN ('z', 'M')", "owner IN ('z', 'M')"),
            ("NOT owner = 'z'", "owner = 'z'"),
            ("NOT (owner = 'z' AND country = 'CN')", "owner = 'z' AND country = 'CN'"),
            ("owner NOT LIKE 'z%'", "owner LIKE 'z%'"),
            ("birthday NOT BETWEEN DATE('1900-01-01') AND DATE('2100-01-01')", "birthday < DATE('2100-01-01')"),
            ("NOT days_since(metrics.last_order_at) > 3", "days_since(metrics.last_order_at) > 3"),
            ("NOT month(birthday) = 2", "month(birthday) = 2"),
            ("NOT metrics.order_total.CNY > 0", "metrics.order_total.CNY > 0"),
            ("NOT A_OVERLAPS(tags, ('M'))", "A_OVERLAPS(tags, ('M'))"),
            ("A_CONTAINS(tags, ())", "A_OVERLAPS(tags, ())"),
            ("tags IS NULL", "tags IS NOT NULL"),
        ],
    )
    def test_a_customer_without_the_value_is_found_by_the_first_and_not_by_the_second(
        self, app: Flask, with_null: str, without: str
    ) -> None:
        insert_customers(app, [{"given_name": "A"}])

        with database(app) as connection:
            first, second = (len(found(connection, rule_text.parse(rule))) for rule in (with_null, without))

        assert (first, second) == (1, 0)


class TestParameters:
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(rule=pools.rules())
    def test_no_value_of_the_rule_is_part_of_the_sql(self, rule: tree.Condition) -> None:
        condition = compiling.compile_rule(checking.check(rule, CATALOGUE), now=NOW)

        sql = str(select(Customer.id).where(condition))

        for value in (*pools.TEXTS, *pools.EMAILS, *map(str, pools.IDS)):
            assert f"'{value}'" not in sql
        assert "'" not in sql
        # Sources and currencies are names that callers make up, and so parameters too.
        assert "my-shop" not in sql
        assert "CNY" not in sql
