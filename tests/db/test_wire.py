"""Protects the short way to the database: the same values and errors as by SQLAlchemy and psycopg, and no statement too many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Connection,
    Date,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    Uuid,
    bindparam,
    cast,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from app.db import failures, wire
from app.db.columns import Exact, Timestamp, Xid8
from app.db.engines import wire_of
from app.db.prepared import Prepared
from tests.builders import database
from tests.client import Api
from tests.statements import noted

VALUES: list[tuple[TypeEngine[Any], Any]] = [
    (Text(), "a\tb\n\\\"quoted' 张伟 👩‍👩‍👧 $1 %s %(x)s"),
    (Text(), ""),
    (Text(), None),
    (Integer(), -5),
    (Integer(), 0),
    (Boolean(), True),
    (Boolean(), False),
    (Uuid(), UUID("01a21369-89b1-7ce5-89ef-f5be54e36b22")),
    (BigInteger(), -(2**63)),
    (Timestamp, datetime(2026, 11, 25, 15, 53, 54, 120000, tzinfo=UTC)),
    (Timestamp, datetime(1, 1, 1, tzinfo=UTC)),
    (Timestamp, datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    (Timestamp, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    (Date(), date(1960, 2, 29)),
    (Date(), date(9999, 12, 31)),
    (Numeric(), Decimal("12345678901234567890.10")),
    (Exact(), "12345678901234567890.10"),
    (Exact(), "-0.50"),
    (Exact(), "1000000"),
    (Exact(), "0.000000000000000001"),
    (Exact(), "1.500"),
    (Exact(), "0"),
    (Xid8(), 2**40),
    (Xid8(), 2**63 - 1),
    (LargeBinary(), bytes(range(256))),
    (ARRAY(Text), ["", "a,b", '"', "\\", "NULL", "张 伟"]),
    (ARRAY(Text), []),
    (ARRAY(Text), ["a", None]),
    (ARRAY(Uuid), [UUID("01a21369-89b1-7ce5-89ef-f5be54e36b22")]),
    (JSONB(), {"name": "张\\伟", "at": [1, 2.5, None, True], "": {}}),
]


@pytest.fixture
def db(app: Flask) -> Iterator[Connection]:
    with database(app) as connection:
        yield connection


def backend(db: Connection) -> int:
    found = Prepared(text("SELECT pg_backend_pid() AS pid").columns(pid=Integer)).one_or_none(db, {})
    assert found is not None
    return int(found[0])


def end(app: Flask, db: Connection) -> None:
    """Have the server end the session of `db`."""
    with database(app) as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend(db)})


def prepared(db: Connection, like: str) -> int:
    """How many such statements the server has prepared on this connection."""
    return int(db.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE :like"), {"like": like}).scalar_one())


def forget(db: Connection) -> None:
    """As psycopg has the server do behind a ROLLBACK of its own."""
    for name in db.execute(text("SELECT name FROM pg_prepared_statements WHERE name LIKE 'kehu%'")).scalars().all():
        wire_of(db).command(f"DEALLOCATE {name}".encode())


class TestValues:
    @pytest.mark.parametrize(("kind", "value"), VALUES)
    def test_each_goes_and_comes_back_as_by_sqlalchemy(self, db: Connection, kind: TypeEngine[Any], value: Any) -> None:
        statement = select(cast(bindparam("value", type_=kind), kind).label("same"))

        found = Prepared(statement).one_or_none(db, {"value": value})

        expected = db.execute(statement, {"value": value}).one()[0]
        assert found is not None
        assert (found[0], type(found[0])) == (expected, type(expected))

    def test_a_type_that_the_driver_does_not_know_is_an_error_and_not_its_bytes(self, db: Connection) -> None:
        with pytest.raises(TypeError, match="type 5038 of column 1"):
            Prepared(text("SELECT 1, pg_current_snapshot()")).one_or_none(db, {})

    def test_a_value_that_is_not_given_is_an_error_and_not_null(self, db: Connection) -> None:
        statement = Prepared(select(literal(1)).where(bindparam("wanted", type_=Text) == "x"))

        with pytest.raises(KeyError, match="wanted"):
            statement.one_or_none(db, {})

    def test_without_rows_there_are_none(self, db: Connection) -> None:
        statement = Prepared(select(literal(1)).where(bindparam("wanted", type_=Boolean)))

        assert statement.all(db, {"wanted": False}) == []
        assert statement.one_or_none(db, {"wanted": False}) is None

    def test_a_write_says_how_many_rows_it_wrote(self, db: Connection) -> None:
        db.execute(text("CREATE TEMP TABLE written (n int)"))
        statement = Prepared(text("INSERT INTO written SELECT generate_series(1, :count)").bindparams(bindparam("count", type_=Integer)))

        assert statement.run(db, {"count": 3}) == 3
        assert statement.run(db, {"count": 0}) == 0


class TestErrors:
    def test_one_of_the_server_is_psycopgs_own(self, db: Connection) -> None:
        statement = Prepared(text("SELECT 1 / CAST(:by AS int)"))

        with pytest.raises(psycopg.errors.DivisionByZero):
            statement.all(db, {"by": 0})

    def test_the_connection_goes_on_after_one(self, db: Connection) -> None:
        statement = Prepared(text("SELECT 1 / CAST(:by AS int)"))
        with pytest.raises(psycopg.errors.DivisionByZero):
            statement.all(db, {"by": 0})

        assert statement.all(db, {"by": 1}) == [(1,)]

    def test_a_statement_that_cannot_be_prepared_is_not_taken_for_prepared(self, db: Connection) -> None:
        statement = Prepared(text("SELECT * FROM there_is_no_such_table"))

        for _ in range(2):
            with pytest.raises(psycopg.errors.UndefinedTable):
                statement.all(db, {})

    def test_a_session_that_was_ended_is_a_lost_connection(self, app: Flask, db: Connection) -> None:
        end(app, db)

        for _ in range(2):
            with pytest.raises(psycopg.OperationalError) as raised:
                backend(db)
            told = failures.meaning(raised.value, narrowable=False)
            assert told is not None
            assert told.code == "database_unavailable"
        db.invalidate()

    def test_a_command_on_a_lost_connection_is_told_too(self, app: Flask, db: Connection) -> None:
        end(app, db)

        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                wire_of(db).command(b"SELECT 1")
        db.invalidate()


class TestPreparing:
    def test_a_statement_is_prepared_once_it_is_run_often_and_then_once(self, db: Connection) -> None:
        statement = Prepared(text("SELECT 'prepared once'"))

        counts = []
        for _ in range(8):
            assert statement.all(db, {}) == [("prepared once",)]
            counts.append(prepared(db, "SELECT 'prepared once'"))

        assert counts == [0] * 5 + [1] * 3

    def test_the_oldest_are_forgotten_by_the_server_too(self, db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wire, "_PREPARED_MAX", 3)
        monkeypatch.setattr(wire, "PREPARE_AFTER", 0)
        own = wire_of(db)
        statements = [Prepared(text(f"SELECT 'forgotten {number}'")) for number in range(6)]

        for statement in statements:
            own.execute(statement, [])

        assert prepared(db, "SELECT 'forgotten %") == 3
        assert own.rows(own.execute(statements[0], [])) == [("forgotten 0",)]

    def test_statements_that_are_run_once_are_not_kept(self, db: Connection) -> None:
        own = wire_of(db)

        for number in range(2 * wire._PREPARED_MAX):
            own.execute(Prepared(text(f"SELECT 'run once {number}'")), [])

        assert len(own._names) + len(own._runs) <= 2 * wire._PREPARED_MAX - 1
        assert prepared(db, "SELECT 'run once %") == 0

    def test_what_the_server_was_told_to_forget_is_prepared_anew(self, db: Connection) -> None:
        statement = Prepared(text("SELECT 'forgotten by others'"))
        for _ in range(8):
            statement.all(db, {})
        forget(db)

        assert statement.all(db, {}) == [("forgotten by others",)]

    def test_inside_a_write_that_is_run_again(self, app: Flask, api: Api) -> None:
        made = [api.post("/v1/customers", {"given_name": "Mei"}).json["id"] for _ in range(8)]
        leased = app.extensions["kehu"].database
        with leased.lease(time.monotonic() + 5) as connection:
            forget(connection)

        response = api.post("/v1/customers", {"given_name": "Lan"})

        assert response.status_code == 201
        assert api.get(f"/v1/customers/{made[0]}").status_code == 200


class TestLooking:
    def test_a_put_that_changes_nothing_begins_no_transaction(self, app: Flask, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        body = {"given_name": "Mei", "attributes": {"tier": "gold"}}
        api.put("/v1/customers/by/shop/1", body)
        commands: list[bytes] = []
        command = wire.Wire.command

        def noting(self: wire.Wire, sql: bytes) -> Any:
            commands.append(sql)
            return command(self, sql)

        monkeypatch.setattr(wire.Wire, "command", noting)

        with noted(app) as statements:
            response = api.put("/v1/customers/by/shop/1", body)

        assert response.status_code == 200
        assert commands == []
        assert len(statements) == 2

    def test_one_that_changes_something_takes_two_looks_and_one_write(self, app: Flask, api: Api) -> None:
        api.put("/v1/customers/by/shop/1", {"given_name": "Mei"})

        with noted(app) as statements:
            response = api.put("/v1/customers/by/shop/1", {"given_name": "Lan"})

        assert response.json["version"] == 2
        assert [statement.split()[0] for statement, _ in statements] == ["SELECT", "SELECT", "WITH"]
