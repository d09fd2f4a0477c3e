"""Protects what is written by COPY: every value arrives as it would by a statement of its own, whatever is in it, and in its own row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus
from sqlalchemy import ARRAY, JSON, Connection, LargeBinary, Table, Text, text

from app.changes.models import Event
from app.contact_history.models import ContactHistoryEntry
from app.customers.models import Customer
from app.db.base import table_of
from app.db.columns import WrittenJson, to_json, to_json_bytes
from app.db.copying import Copying, OpenCopy
from app.db.engines import driver_connection
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


def insert(connection: Connection, copying: Copying, texts: Iterable[bytes]) -> None:
    opened = OpenCopy(copying, connection)
    opened.write(texts)
    opened.close()


def strategy(column: Any) -> st.SearchStrategy[Any]:
    match column.type:
        case LargeBinary():
            found: st.SearchStrategy[Any] = st.binary(max_size=3)
        case ARRAY():
            found = st.lists(TEXTS, max_size=3)
        case JSON() | WrittenJson():
            found = st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS, max_size=2) | st.none() | st.integers(-9, 9), max_size=3)
        case Text():
            found = TEXTS
        case _:
            return value_of(column)
    return st.none() | found if column.nullable else found


def rows_of(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries({column.name: strategy(column) for column in table.c}), min_size=1, max_size=3)


@contextmanager
def instead_of(app: Flask, table: str, columns: str) -> Iterator[Connection]:
    """A connection to which `table` is another one, empty, for as long as the block takes."""
    with database(app) as connection:
        connection.execute(text("BEGIN"))
        try:
            connection.execute(text(f"CREATE TEMP TABLE {table} ({columns})"))
            yield connection
        finally:
            connection.execute(text("ROLLBACK"))


def arrived(app: Flask, table: Table, rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[str], Sequence[str]]:
    """The rows of a table of that shape, in their order, as text, and what PostgreSQL makes of the same rows sent as JSON."""
    copying = Copying(table, [column.name for column in table.c])
    with instead_of(app, table.name, f"LIKE {table.name}") as connection:
        insert(connection, copying, copying.texts([row[column.name] for column in table.c] for row in rows))
        found = connection.scalars(text(f"SELECT CAST(t AS text) FROM {table.name} t ORDER BY ctid")).all()
        asked = f"SELECT CAST(t AS text) FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS json)) t"
        expected = connection.scalars(text(asked), {"rows": to_json(rows)}).all()
    return found, expected


class TestCopying:
    @pytest.mark.parametrize("table", OURS, ids=lambda table: table.name)
    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_rows_are_what_they_are_by_a_statement(self, session_app: Flask, table: Table, data: st.DataObject) -> None:
        rows = data.draw(rows_of(table))

        found, expected = arrived(session_app, table, rows)

        assert found == expected
        assert len(found) == len(rows)

    @pytest.mark.parametrize("value", PIECES)
    def test_a_text_is_itself_between_two_others(self, session_app: Flask, value: str) -> None:
        copying = Copying(table_of(ContactHistoryEntry), ["source", "external_id"])
        sent = [("a", value), (value, None), (None, "b")]

        with instead_of(session_app, "contact_history", "source text, external_id text") as connection:
            insert(connection, copying, copying.texts(sent))
            found = [tuple(row) for row in connection.execute(text("SELECT source, external_id FROM contact_history"))]

        assert found == sent

    def test_what_is_json_already_is_not_made_json_again(self, session_app: Flask) -> None:
        documents = [{"a": 'line\n"\\'}, None, {}]
        copying = Copying(table_of(Customer), ["attributes"])

        with instead_of(session_app, "customers", "attributes jsonb") as connection:
            insert(connection, copying, copying.texts([None if document is None else to_json_bytes(document)] for document in documents))
            found = connection.scalars(text("SELECT attributes FROM customers ORDER BY ctid")).all()

        assert found == documents

    @pytest.mark.parametrize(
        "documents",
        [[{"a": 1}, {"a": True}, {"a": 1.0}], [{}, {}, {}], [{"a": [1]}, {"a": [True]}, {"a": [1]}], [{"a": 0}, {"a": False}, {"a": -0.0}]],
        ids=str,
    )
    def test_what_is_equal_to_python_stays_apart(self, session_app: Flask, documents: list[dict[str, Any]]) -> None:
        copying = Copying(table_of(Customer), ["attributes"])

        with instead_of(session_app, "customers", "attributes json") as connection:
            insert(connection, copying, copying.texts([document] for document in documents))
            found = connection.scalars(text("SELECT attributes::text FROM customers ORDER BY ctid")).all()

        assert found == [to_json(document) for document in documents]

    @pytest.mark.parametrize("last", ["a", "b", None])
    def test_a_column_that_is_the_same_but_for_its_last(self, session_app: Flask, last: str | None) -> None:
        copying = Copying(table_of(ContactHistoryEntry), ["body"])
        sent = [*(["a"] * 100), last]

        with instead_of(session_app, "contact_history", "body text") as connection:
            insert(connection, copying, copying.texts([value] for value in sent))
            insert(connection, copying, copying.texts([value] for value in reversed(sent)))
            found = connection.scalars(text("SELECT body FROM contact_history ORDER BY ctid")).all()

        assert found == [*sent, *reversed(sent)]

    def test_many_rows_arrive_in_their_order(self, session_app: Flask) -> None:
        copying = Copying(table_of(ContactHistoryEntry), ["version", "body"])
        sent = [(number, f"line {number}\nand its second" if number % 3 else None) for number in range(1005)]

        with instead_of(session_app, "contact_history", "n int GENERATED ALWAYS AS IDENTITY, version int, body text") as connection:
            insert(connection, copying, copying.texts(sent))
            found = [tuple(row) for row in connection.execute(text("SELECT version, body FROM contact_history ORDER BY n"))]

        assert found == sent

    def test_what_can_not_be_written_ends_the_transaction(self, session_app: Flask) -> None:
        copying = Copying(table_of(ContactHistoryEntry), ["body"])
        half = "\ud800"

        with instead_of(session_app, "contact_history", "body text") as connection:
            opened = OpenCopy(copying, connection)
            with pytest.raises(TypeError):
                opened.write(copying.texts([*[("a",)] * 150, (half,)]))
            opened.give_up()
            status = driver_connection(connection).info.transaction_status

        assert status == TransactionStatus.INERROR
