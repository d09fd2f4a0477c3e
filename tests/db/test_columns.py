"""Protects values on their way: many come as one value, and as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import any_, bindparam, column, select, text

from app.core.ids import new_id
from app.db.columns import Ids, Several
from tests.builders import database
from tests.db.test_copying import TEXTS
from tests.db.test_shown import JSON


class TestIds:
    @pytest.mark.parametrize("count", [0, 1, 1000])
    def test_each_is_found(self, session_app: Flask, count: int) -> None:
        ids = [new_id() for _ in range(count)]
        sent = bindparam("ids", type_=Ids)
        statement = select(column("id")).select_from(text("unnest(:ids) AS sent (id)").bindparams(sent)).where(column("id") == any_(sent))

        with database(session_app) as connection:
            found = connection.scalars(statement, {"ids": ids}).all()

        assert list(found) == ids

    def test_the_server_reads_them_once_and_not_for_each_row(self, session_app: Flask) -> None:
        with database(session_app) as connection:
            statement = select(column("id")).where(column("id") == any_(bindparam("ids", type_=Ids))).compile(connection)

        assert str(statement).endswith("id = ANY (%(ids)s::uuid[])")


class TestSeveral:
    @settings(max_examples=200, deadline=None)
    @given(values=st.lists(st.none() | TEXTS, max_size=5))
    def test_any_text_arrives_as_it_is(self, session_app: Flask, values: list[str | None]) -> None:
        assert arrived(session_app, "text", values) == values

    @settings(max_examples=100, deadline=None)
    @given(values=st.lists(st.dictionaries(TEXTS, JSON, max_size=3), max_size=4))
    def test_documents_arrive_as_they_are(self, session_app: Flask, values: list[dict[str, Any]]) -> None:
        assert arrived(session_app, "jsonb", values) == values

    @pytest.mark.parametrize(
        ("of", "values"),
        [
            ("int", [1, None, -(2**31)]),
            ("timestamptz", [datetime(1, 1, 1, tzinfo=UTC), None, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]),
            ("uuid", [new_id(), None]),
            ("bytea", [b"", b"\\\x00\n", None]),
        ],
    )
    def test_so_does_everything_else(self, session_app: Flask, of: str, values: list[Any]) -> None:
        assert arrived(session_app, of, values) == values


def arrived(app: Flask, of: str, values: list[Any]) -> list[Any]:
    statement = text("SELECT one FROM unnest(:sent) WITH ORDINALITY AS told (one, number) ORDER BY number")
    with database(app) as connection:
        return list(connection.scalars(statement.bindparams(bindparam("sent", type_=Several(of))), {"sent": values}))
