"""Protects rules about interactions: SQL finds what the interpreter finds, by the same random rules under other names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection, select, text

from app.contact_history import catalogue
from app.contact_history.models import ContactHistoryEntry
from app.rules import builtins, checking, compiling, tree
from app.rules.catalogue import Catalogue
from tests.builders import database, insert_customers
from tests.conftest import TABLES
from tests.rules import interpreter, pools
from tests.rules.histories import NOW, insert_entries
from tests.rules.pools import Population
from tests.rules.test_compiling import EXAMPLES

CATALOGUE = Catalogue.of([builtins.ENTRIES, catalogue.entries()])

# A field of interactions for each of the customers' that has one of its type.
RENAMED = {
    "display_name": "subject",
    "country": "kind",
    "status": "kind",
    "owner": "outcome",
    "phone": "channel",
    "lifecycle_stage": "currency",
    "external_ids.shop": "source",
    "external_ids.my-shop": "external_id",
    "email": "agent",
    "id": "id",
    "organization_id": "customer_id",
    "metrics.order_count": "duration_seconds",
    "metrics.contact_count": "amount",
    "metrics.order_total.CNY": "amount",
    "metrics.order_total.USD": "duration_seconds",
    "version": "version",
    "created_at": "occurred_at",
    "metrics.last_order_at": "created_at",
    "metrics.last_inbound_at": "deleted_at",
    "source_updated_at": "updated_at",
}
WINDOWED = ("contact_count", "order_total")


def renamed(node: Any) -> Any:
    """The same rule about interactions; TRUE for each condition that they have nothing for."""
    if isinstance(node, tree.Property):
        return replace(node, name=RENAMED[node.name])
    if not isinstance(node, tree.And | tree.Or | tree.Not | tree.Items) and not all(map(_is_theirs, tree.walk(node))):
        return tree.Truth(0, True)
    return replace(node, **{field.name: _below(getattr(node, field.name)) for field in fields(node) if field.name != "at"})


def _below(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(renamed, value))
    return renamed(value) if isinstance(value, tree.Node) else value


def _is_theirs(node: tree.AnyNode) -> bool:
    if isinstance(node, tree.Property):
        return node.name in RENAMED
    return not (isinstance(node, tree.Call) and node.function in WINDOWED)


@pytest.fixture(scope="module")
def rows(session_app: Flask) -> Population:
    """Random interactions, all of them in the table."""
    with database(session_app) as connection:
        connection.execute(text(f"TRUNCATE {TABLES}"))
    made = pools.rows(60)
    insert_customers(session_app, ({"id": row["id"]} for row in made))
    entries = Population(entry for row in made for entry in row["entries"])
    insert_entries(session_app, entries)
    return entries


@pytest.fixture(scope="module")
def db(session_app: Flask) -> Iterator[Connection]:
    with database(session_app) as connection:
        yield connection


class TestAgreement:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    @given(rule=pools.rules().map(renamed))
    def test_sql_finds_what_the_interpreter_finds(self, db: Connection, rows: Population, rule: tree.Condition) -> None:
        condition = compiling.compile_rule(checking.check(rule, CATALOGUE), now=NOW)

        found = set(db.execute(select(ContactHistoryEntry.id).where(condition)).scalars())

        assert found == {row["id"] for row in rows if interpreter.matches(rule, row, now=NOW)}
