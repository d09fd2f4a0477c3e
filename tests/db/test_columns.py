"""Protects what values cost on their way: an object's members come in the order in which jsonb keeps them, and ids as one value."""

from __future__ import annotations

import orjson
import pytest
from flask import Flask
from sqlalchemy import any_, bindparam, column, select, text

from app.contact_history import metrics
from app.contact_history.record import TOLD as ENTRY_TOLD
from app.core.ids import new_id
from app.customers.record import TOLD
from app.db.columns import Ids, in_order_of_jsonb, to_json
from tests.builders import database, rows


class TestInOrderOfJsonb:
    @pytest.mark.parametrize("names", [TOLD, ENTRY_TOLD, metrics.NAMES, ("zz", "客", "b", "aa", "é", "")], ids=lambda names: names[0])
    def test_it_is_the_order_in_which_the_database_has_them(self, session_app: Flask, names: tuple[str, ...]) -> None:
        ((kept,),) = rows(session_app, "SELECT CAST(CAST(:sent AS jsonb) AS text)", sent=to_json(dict.fromkeys(names)))

        assert in_order_of_jsonb(names) == tuple(orjson.loads(kept))

    def test_metrics_come_in_it(self) -> None:
        assert in_order_of_jsonb(metrics.NAMES) == metrics.NAMES


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
