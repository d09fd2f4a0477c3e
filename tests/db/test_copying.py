"""Protects what is written by COPY: every value arrives as it would by a statement of its own, whatever is in it, and in its own row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from app.changes.models import Event
from app.contact_history.models import ContactHistoryEntry
from app.customers.models import Customer
from app.db.base import table_of
from app.db.columns import to_json
from app.db.copying import copied, send
from tests.builders import database
from tests.db.test_shown import TEXT, value_of

# What ends a value, a row or a string in what is sent, or escapes one, and what is null or the end of everything.
PIECES = [
    "\\",
    "\t",
    "\n",
    "\r",
    '"',
    ",",
    "{",
    "}",
    "\\N",
    "\\.",
    "NULL",
    "\x01",
    "\x1e",
    "\x7f",
    "u0041",
    '",\n  "',
    "伟",
    "😀",
    " ",
    "",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | TEXT
OURS = [table_of(model) for model in (Customer, ContactHistoryEntry, Event)]


def strategy(column: Any) -> st.SearchStrategy[Any]:
    match column.type:
        case LargeBinary():
            found: st.SearchStrategy[Any] = st.binary(max_size=3)
        case ARRAY():
            found = st.lists(TEXTS, max_size=3)
        case JSONB():
            found = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2) | st.none() | st.integers(-9, 9), max_size=3)
        case Text():
            found = TEXTS
        case _:
            return value_of(column)
    return st.none() | found if column.nullable else found


def rows_of(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries({column.name: strategy(column) for column in table.c}), min_size=1, max_size=3)


def arrived(app: Flask, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows of a table of that shape, in their order, as text, and what PostgreSQL makes of the same rows sent as JSON."""
    with database(app) as connection:
        connection.execute(text("BEGIN"))
        # In front of the table of that name.
        connection.execute(text(f"CREATE TEMP TABLE {table.name} (LIKE {table.name}) ON COMMIT DROP"))
        send(connection, copied(table, {column.name: [row[column.name] for row in rows] for column in table.c}))
        found = connection.scalars(text(f"SELECT CAST(t AS text) FROM {table.name} t ORDER BY ctid")).all()
        asked = f"SELECT CAST(t AS text) FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS json)) t"
        expected = connection.scalars(text(asked), {"rows": to_json(rows)}).all()
        connection.execute(text("ROLLBACK"))
    assert found == expected
    return list(found)


class TestCopied:
    @pytest.mark.parametrize("table", OURS, ids=lambda table: table.name)
    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_rows_are_what_they_are_by_a_statement(self, session_app: Flask, table: Table, data: st.DataObject) -> None:
        rows = data.draw(rows_of(table))

        found = arrived(session_app, table, rows)

        assert len(found) == len(rows)

    @pytest.mark.parametrize("value", PIECES)
    def test_a_text_is_itself_between_two_others(self, session_app: Flask, value: str) -> None:
        keys = {"source": ["a", value, None], "external_id": [value, None, "b"]}
        with database(session_app) as connection:
            connection.execute(text("BEGIN"))
            connection.execute(text("CREATE TEMP TABLE contact_history (source text, external_id text) ON COMMIT DROP"))
            send(connection, copied(table_of(ContactHistoryEntry), keys))
            found = [tuple(row) for row in connection.execute(text("SELECT source, external_id FROM contact_history"))]
            connection.execute(text("ROLLBACK"))

        assert found == [("a", value), (value, None), (None, "b")]
