"""Protects what turns by time alone: nobody turns who was not sought, and thresholds are sought by an index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql

from app.contact_history import windows
from app.customers import catalogue as customers
from app.customers.models import Customer
from app.rules import builtins, checking, tree, turning
from app.rules import text as rule_text
from app.rules.catalogue import Catalogue, Checked, Entries, Function, Parameter
from app.rules.types import Type
from tests.builders import database, insert_customers
from tests.rules import interpreter, pools
from tests.rules.histories import NOW, insert_entries
from tests.rules.pools import Population
from tests.rules.test_compiling import CATALOGUE, EXAMPLES, rows

__all__ = ["rows"]

# Pairs of moments between which much lies, of those that the rows have times at.
STEPS = [timedelta(microseconds=1), timedelta(seconds=20), timedelta(hours=1), timedelta(days=1), timedelta(days=40)]
ENDS = [NOW, NOW + timedelta(microseconds=1), NOW + timedelta(hours=1), NOW + timedelta(days=30), NOW + timedelta(days=30, microseconds=1)]


@pytest.fixture(scope="module")
def db(session_app: Flask) -> Iterator[Connection]:
    with database(session_app) as connection:
        yield connection


def sought(db: Connection, rule: tree.Condition | Checked, since: datetime, now: datetime) -> set[Any]:
    checked = rule if isinstance(rule, Checked) else checking.check(rule, CATALOGUE)
    conditions = turning.turned(checked, since=since, now=now)
    return {one for condition in conditions for one in db.execute(select(Customer.id).where(condition)).scalars()}


def turned(rows: Population, rule: tree.Condition, since: datetime, now: datetime) -> set[Any]:
    return {row["id"] for row in rows if interpreter.matches(rule, row, now=since) != interpreter.matches(rule, row, now=now)}


class TestTurned:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(rule=pools.rules(), now=st.sampled_from(ENDS), step=st.sampled_from(STEPS))
    def test_whoever_turns_is_sought(self, db: Connection, rows: Population, rule: tree.Condition, now: datetime, step: timedelta) -> None:
        assert turned(rows, rule, now - step, now) <= sought(db, rule, now - step, now)

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize(
        "rule",
        [
            "days_since(metrics.last_order_at) {} 30",
            "30 {} days_since(metrics.last_order_at)",
            "days_since(created_at) {} 0.5",
            "days_since(created_at) {} -1",
            "contact_count('order', 30) {} 1",
            "contact_count('order', 1) {} contact_count('call', 30)",
            "order_total('CNY', 30) {} 2.5",
            "order_total('CNY', 30) {} metrics.order_count",
            "metrics.last_contact_at {} now()",
            "now() {} source_updated_at",
            "now() {} TIMESTAMP('2024-03-01T12:30:00Z')",
            "day(now()) {} day(birthday)",
            "month(now()) {} 3",
            "days_since(created_at) {} days_since(metrics.last_inbound_at)",
        ],
    )
    def test_every_comparison_at_its_edges(self, db: Connection, rows: Population, rule: str, step: timedelta) -> None:
        for sign in pools.ORDERS:
            asked = rule_text.parse(rule.format(sign))
            for now in ENDS:
                assert turned(rows, asked, now - step, now) <= sought(db, asked, now - step, now), sign

    @pytest.mark.parametrize(
        "rule",
        [
            "country = 'CN' AND NOT owner = 'z'",
            "days_since(created_at) IS NULL",
            "day(now()) = day(birthday)",
            "days_since(created_at) = 2.5",
            "days_since(created_at) > 1000000000000",
            "now() > TIMESTAMP('2025-01-01T00:00:00Z')",
        ],
    )
    def test_nothing_is_sought_where_nothing_can_turn(self, rule: str) -> None:
        checked = checking.check(rule_text.parse(rule), CATALOGUE)

        assert turning.turned(checked, since=NOW - timedelta(hours=1), now=NOW) == []

    def test_a_condition_turns_with_the_rule_that_it_stands_for(self, db: Connection, rows: Population) -> None:
        inner = checking.check(rule_text.parse("days_since(metrics.last_order_at) >= 30"), CATALOGUE)
        stands_for = Function(
            name="in_segment",
            parameters=(Parameter(name="name", types=(Type.STRING,), literal=True),),
            result=Type.BOOLEAN,
            meaning="",
            value=lambda *_: None,  # type: ignore[arg-type, return-value]  # never asked
            uses_time=True,
            stands_for={"idle": inner}.get,
        )
        catalogue = Catalogue.of([builtins.ENTRIES, customers.entries(), windows.ENTRIES, Entries(functions=(stands_for,))])
        outer = checking.check(rule_text.parse("country = 'CN' OR NOT in_segment('idle')"), catalogue)
        moments = {"since": NOW - timedelta(days=2), "now": NOW}

        found = sought(db, outer, **moments)

        assert found == sought(db, inner, **moments) != set()


class TestPlans:
    @pytest.mark.parametrize(
        ("rule", "index"),
        [
            ("days_since(metrics.last_order_at) > 30", "ix_contact_history_occurred_at"),
            ("days_since(metrics.last_contact_at) BETWEEN 30 AND 90", "ix_contact_history_occurred_at"),
            ("contact_count('call', 30) >= 2", "ix_contact_history_occurred_at"),
            ("order_total('CNY', 365) > 1000", "ix_contact_history_occurred_at"),
            ("days_since(created_at) < 7", "ix_customers_created_at"),
            ("country = 'CN' OR NOT now() > updated_at", "ix_customers_updated_at"),
        ],
    )
    def test_a_threshold_turns_without_a_scan(self, app: Flask, rule: str, index: str) -> None:
        hours = [NOW - timedelta(hours=hour) for hour in range(3000)]
        ids = insert_customers(app, ({"created_at": hour, "updated_at": hour} for hour in hours))
        entry = {"kind": "call", "version": 1, "created_at": NOW, "updated_at": NOW}
        insert_entries(app, (entry | {"id": one, "customer_id": one, "occurred_at": hour} for one, hour in zip(ids, hours, strict=True)))
        checked = checking.check(rule_text.parse(rule), CATALOGUE)
        with database(app) as connection:
            connection.exec_driver_sql("ANALYZE customers, contact_history")
            plans = [explained(connection, one) for one in turning.turned(checked, since=NOW - timedelta(seconds=20), now=NOW)]

        assert plans
        for plan in plans:
            assert index in plan
            assert "Seq Scan" not in plan


def explained(db: Connection, condition: Any) -> str:
    statement = select(Customer.id).where(condition).compile(dialect=postgresql.psycopg.dialect())
    return "\n".join(row[0] for row in db.exec_driver_sql(f"EXPLAIN {statement}", statement.params))
