"""Protects what values cost on their way: ids come as one value."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import any_, bindparam, column, select, text

from app.core.ids import new_id
from app.db.columns import Ids
from tests.builders import database


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
