"""Protects reads: the JSON that PostgreSQL writes of a row is what the schema's own dump writes of it, byte for byte where no jsonb is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, BigInteger, Date, DateTime, Integer, LargeBinary, Table, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import JSONB

from app.contact_history import queries as entries
from app.contact_history.models import ContactHistoryEntry
from app.contact_history.record import TOLD, EntryRecord
from app.contact_history.schemas import ContactHistorySchema
from app.customers import queries as customers
from app.customers.models import Customer
from app.customers.record import SHOWN, CustomerRecord
from app.customers.schemas import CustomerAddressSchema, CustomerSchema
from app.db.base import table_of
from app.db.columns import Exact, Xid8, to_json
from app.web import dump
from tests.builders import database

Strategy = st.SearchStrategy[Any]

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
# Whole seconds, and ends in zeros, are what is written in more than one way.
TIMES = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)).flatmap(  # noqa: DTZ001  the zone is said beside it
    lambda time: st.sampled_from([0, 120, 120_000, time.microsecond]).map(lambda part: time.replace(microsecond=part))
)
AMOUNTS = st.decimals(Decimal("-999999999"), Decimal("999999999"), allow_nan=False, places=6).map(lambda amount: format(amount, "f"))
JSON = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | TEXT | st.lists(TEXT, max_size=3)
ADDRESSES = st.lists(st.fixed_dictionaries({name: st.none() | TEXT for name in CustomerAddressSchema._declared_fields}), max_size=2)
OBJECTS = {"addresses": ADDRESSES, "attributes": st.dictionaries(TEXT, JSON, max_size=3)}
TEXTS = st.dictionaries(TEXT, TEXT, max_size=3)


def value_of(column: Any) -> Strategy:
    found = _value_of(column)
    return st.none() | found if column.nullable else found


def _value_of(column: Any) -> Strategy:
    match column.type:
        case Exact():
            return AMOUNTS
        case DateTime():
            return TIMES
        case Date():
            return st.dates()
        case Uuid():
            return st.uuids()
        case Xid8() | BigInteger() | Integer():
            return st.integers(0, 2**31 - 1)
        case ARRAY():
            return st.lists(TEXT, max_size=3)
        case JSONB():
            return OBJECTS.get(column.name, TEXTS)
        case LargeBinary():
            return st.none()
        case Text():
            return TEXT
    raise AssertionError(f"a column that this test does not know: {column!r}")


def rows(table: Table) -> Strategy:
    return st.fixed_dictionaries({column.name: value_of(column) for column in table.c})


def shown_and_read(app: Flask, table: Table, row: Mapping[str, Any], written: Any, columns: Any) -> tuple[str, Any]:
    """The JSON of `row`, and its columns as the driver reads them; the row is in no table."""
    name = table.name
    found = select(written, *columns).select_from(table)
    with database(app) as connection:
        sql = str(found.compile(connection))
        statement = f"WITH {name} AS (SELECT (json_populate_record(NULL::{name}, CAST(:row AS json))).*) {sql}"
        shown, *values = connection.execute(text(statement).columns(written, *columns), {"row": to_json(row)}).one()
    return shown, values


class TestCustomers:
    @settings(max_examples=100, deadline=None)
    @given(row=rows(table_of(Customer)))
    def test_the_database_writes_what_the_dump_writes(self, session_app: Flask, row: dict[str, Any]) -> None:
        shown, values = shown_and_read(session_app, table_of(Customer), row, customers.as_json(), customers.COLUMNS)

        dumped = dump.compiled(CustomerSchema)(CustomerRecord(*values))

        assert orjson.loads(shown) == orjson.loads(dump.to_bytes(dumped))
        assert list(orjson.loads(shown)) == list(CustomerSchema._declared_fields)

    def test_every_field_of_the_schema_is_shown(self) -> None:
        assert tuple(CustomerSchema._declared_fields) == SHOWN


class TestEntries:
    @settings(max_examples=100, deadline=None)
    @given(row=rows(table_of(ContactHistoryEntry)))
    def test_the_database_writes_what_the_dump_writes(self, session_app: Flask, row: dict[str, Any]) -> None:
        shown, values = shown_and_read(session_app, table_of(ContactHistoryEntry), row, entries.as_json(), entries.COLUMNS)

        dumped = dump.compiled(ContactHistorySchema)(EntryRecord(*values))

        assert orjson.loads(shown) == orjson.loads(dump.to_bytes(dumped))

    def test_every_field_of_the_schema_is_shown(self) -> None:
        assert tuple(ContactHistorySchema._declared_fields) == TOLD


class TestNames:
    @pytest.mark.parametrize("names", [("id",), ("id", "metrics"), ("id", "updated_at", "tags")])
    def test_only_what_was_asked_for_is_written(self, session_app: Flask, names: tuple[str, ...]) -> None:
        row = {"id": "00000000-0000-0000-0000-000000000007", "tags": ["a"]}

        shown, _ = shown_and_read(session_app, table_of(Customer), row, customers.as_json(names), ())

        assert tuple(orjson.loads(shown)) == names
