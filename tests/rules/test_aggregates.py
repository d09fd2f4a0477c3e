"""Protects functions over other tables: customers without an entry count as 0, and the aggregate is made once for the statement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Column, Connection, MetaData, Table, Text, Uuid, func, select
from sqlalchemy.dialects import postgresql

from app.core.faults import Fault
from app.customers import catalogue as customers
from app.customers.models import Customer
from app.rules import aggregates, builtins, checking, compiling
from app.rules import text as rule_text
from app.rules.catalogue import Catalogue, Entries, Function, Parameter, Test
from app.rules.errors import RuleError
from app.rules.evaluation import Evaluation
from app.rules.types import Type
from tests.builders import database, insert_customers
from tests.rules.histories import NOW

CALLS = Table("calls", MetaData(), Column("customer_id", Uuid), Column("channel", Text))
_COUNT = func.count()


def _entries(channel: str) -> Any:
    return select(CALLS).where(CALLS.c.channel == channel)


def _count(_: Evaluation, channel: str) -> Any:
    return _entries(channel).with_only_columns(_COUNT).where(CALLS.c.customer_id == Customer.id).correlate(Customer).scalar_subquery()


def _compare(_: Evaluation, test: Test, channel: str) -> Any:
    return aggregates.compared(Customer.id, entries=_entries(channel), key=CALLS.c.customer_id, aggregate=_COUNT, test=test)


def _check_channel(channel: str) -> None:
    if channel not in ("phone", "mail"):
        raise Fault("unknown_channel", "There is no such channel.")


CALL_COUNT = Function(
    name="call_count",
    parameters=(Parameter(name="channel", types=(Type.STRING,), literal=True, check=_check_channel),),
    result=Type.INTEGER,
    meaning="How many calls there were.",
    value=_count,
    compare=_compare,
    nullable=False,
)
CATALOGUE = Catalogue.of([builtins.ENTRIES, customers.entries(), Entries(functions=(CALL_COUNT,))])


@pytest.fixture
def db(app: Flask) -> Iterator[Connection]:
    """Customer n of four has n calls by phone, and all have one by mail."""
    ids = insert_customers(app, ({"version": number + 1} for number in range(4)))
    with database(app) as connection:
        CALLS.create(connection)
        made = [{"customer_id": UUID(one), "channel": "phone"} for number, one in enumerate(ids) for _ in range(number)]
        connection.execute(CALLS.insert(), [*made, *({"customer_id": UUID(one), "channel": "mail"} for one in ids)])
        yield connection
        CALLS.drop(connection)


def condition(rule: str) -> Any:
    return compiling.compile_rule(checking.check(rule_text.parse(rule), CATALOGUE), now=NOW)


def found(db: Connection, rule: str) -> set[int]:
    """How many calls by phone those have whom `rule` finds."""
    return {version - 1 for version in db.execute(select(Customer.version).where(condition(rule))).scalars()}


def explained(db: Connection, rule: str) -> str:
    statement = select(Customer.id).where(condition(rule)).compile(dialect=postgresql.psycopg.dialect())
    return json.dumps(db.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", statement.params).scalar_one())


class TestCompared:
    @pytest.mark.parametrize(
        ("rule", "counts"),
        [
            ("call_count('phone') > 1", {2, 3}),
            ("call_count('phone') >= 1", {1, 2, 3}),
            ("call_count('phone') >= 0", {0, 1, 2, 3}),
            ("call_count('phone') < 2", {0, 1}),
            ("call_count('phone') <= 2.5", {0, 1, 2}),
            ("call_count('phone') = 0", {0}),
            ("call_count('phone') = 2", {2}),
            ("call_count('phone') = 2.5", set()),
            ("call_count('phone') <> 0", {1, 2, 3}),
            ("call_count('phone') <> 2", {0, 1, 3}),
            ("2 < call_count('phone')", {3}),
            ("call_count('phone') BETWEEN 0 AND 1", {0, 1}),
            ("call_count('phone') BETWEEN 2 AND 9", {2, 3}),
            ("call_count('phone') IN (0, 3)", {0, 3}),
            ("call_count('phone') IN (1, 2)", {1, 2}),
            ("call_count('phone') NOT IN (1, 2)", {0, 3}),
            ("NOT call_count('phone') < 2", {2, 3}),
            ("call_count('phone') < 1 OR call_count('phone') > 2", {0, 3}),
            ("call_count('phone') > 100000000000000000000", set()),
            ("call_count('phone') = call_count('mail')", {1}),
            ("call_count('phone') < version", {0, 1, 2, 3}),
            ("call_count('phone') IS NULL", set()),
        ],
    )
    def test_whoever_has_no_entry_has_none_of_them(self, db: Connection, rule: str, counts: set[int]) -> None:
        assert found(db, rule) == counts

    @pytest.mark.parametrize("rule", ["call_count('phone') > 1", "call_count('phone') < 2", "NOT call_count('phone') < 2"])
    def test_the_aggregate_is_made_once_for_the_statement(self, db: Connection, rule: str) -> None:
        plan = explained(db, rule)

        assert '"Subplan Name"' not in plan
        assert "Join" in plan

    @pytest.mark.parametrize("rule", ["call_count('phone') > 1 OR version = 9", "call_count('phone') < 2 OR version = 9"])
    def test_beside_an_or_it_is_hashed_for_many_customers_and_looked_up_for_few(self, app: Flask, db: Connection, rule: str) -> None:
        db.exec_driver_sql("INSERT INTO calls SELECT gen_random_uuid(), 'phone' FROM generate_series(1, 5000)")
        db.exec_driver_sql("CREATE INDEX ON calls (customer_id)")
        db.exec_driver_sql("ANALYZE calls, customers")

        few = explained(db, rule)
        insert_customers(app, ({} for _ in range(500)))
        db.exec_driver_sql("ANALYZE customers")
        many = explained(db, rule)

        assert "calls_customer_id_idx" in few
        assert "hashed SubPlan" in many

    def test_an_argument_is_checked_by_its_function(self) -> None:
        with pytest.raises(RuleError) as raised:
            condition("call_count('fax') > 1")

        assert [(fault.at, fault.code) for fault in raised.value.faults] == [(11, "unknown_channel")]

    @pytest.mark.parametrize("rule", ["call_count(owner) > 1", "call_count(5) > 1", "call_count(('phone')) > 1"])
    def test_an_argument_that_has_to_be_spelt_out_is_nothing_else(self, rule: str) -> None:
        with pytest.raises(RuleError) as raised:
            condition(rule)

        assert [(fault.at, fault.code) for fault in raised.value.faults] == [(11, "wrong_type")]


class TestTest:
    @pytest.mark.parametrize("number", [-1, 0, 1, 2, Decimal("-0.5"), Decimal("0.5"), Decimal("1.5")])
    @pytest.mark.parametrize("operator", ["=", "<", "<=", ">", ">=", "IN", "BETWEEN"])
    def test_where_there_is_a_least_number_the_test_is_decided_by_it(self, operator: str, number: int | Decimal) -> None:
        asked = Test(operator, (number, 1))
        passed = [asked.passes(value) is not asked.passes(0) for value in range(9)]

        if asked.least is not None and any(passed):
            assert passed == [value >= asked.least for value in range(9)]

    @pytest.mark.parametrize("operator", ["=", "<", "<=", ">", ">=", "IN", "BETWEEN"])
    def test_a_plain_value_is_judged_as_sql_judges_it(self, db: Connection, operator: str) -> None:
        for value in (0, 1, 2, 3):
            for asked in (Test(operator, (1, 2)), Test(operator, (Decimal("0.5"), Decimal("2.5")))):
                assert asked.passes(value) is db.execute(select(asked.of(func.abs(value)))).scalar_one()
