"""Protects what a unit of work knows of its transaction, and COPY in it: what it has sent is there with whatever is asked next, or nothing
is, and the connection goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.core.ids import new_id
from app.customers.models import CustomerKey
from app.db import unit_of_work
from app.db.base import table_of
from app.db.columns import to_json
from app.db.copying import Copying
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from tests.db import units
from tests.db.units import run

T = TypeVar("T")

KEYS = Copying(table_of(CustomerKey), ("source", "external_id", "customer_id"))
THEIRS = Copying(table_of(CustomerKey), ("customer_id", "source", "external_id"))
COUNT = text("SELECT count(*) FROM customer_keys")
NOW = text("SELECT now()")


@pytest.fixture
def here(app: Flask) -> Database:
    return units.of(app)


def keys(*external_ids: str) -> Iterator[bytes]:
    return KEYS.texts([("shop", external_id, new_id()) for external_id in external_ids])


def counted(unit: UnitOfWork) -> int:
    found: int = unit.connection.execute(COUNT).scalar_one()
    return found


class TestOldestXid:
    def test_it_is_of_who_began_before_and_still_runs(self, here: Database) -> None:
        with here.lease(time.monotonic() + 10) as connection:
            earlier = UnitOfWork(connection)
            assert earlier.oldest_xid <= earlier.xid
            found = run(here, lambda unit: (unit.oldest_xid, unit.xid))
            earlier.end()

        assert found[0] <= earlier.xid < found[1]

    def test_it_is_not_of_who_is_over(self, here: Database) -> None:
        over = run(here, lambda unit: unit.xid)

        # Others on this server may begin and end; none of these was there before all of them.
        assert any(run(here, lambda unit: unit.oldest_xid) > over for _ in range(100))


class TestCopy:
    def test_rows_are_there_for_what_is_asked_next(self, here: Database) -> None:
        def work(unit: UnitOfWork) -> int:
            unit.copy(KEYS, keys("1", "2"))
            unit.copy(KEYS, keys("3"))
            return counted(unit)

        assert run(here, work) == 3
        assert run(here, counted) == 3

    def test_rows_are_there_where_nothing_is_asked_next(self, here: Database) -> None:
        run(here, lambda unit: unit.copy(KEYS, keys("1")))

        assert run(here, counted) == 1

    def test_one_copy_may_follow_another(self, here: Database) -> None:
        def work(unit: UnitOfWork) -> None:
            unit.copy(KEYS, keys("1"))
            unit.copy(THEIRS, THEIRS.texts([(UUID(int=1), "shop", "2")]))
            unit.copy(KEYS, keys("3"))

        run(here, work)

        assert run(here, counted) == 3

    @pytest.mark.parametrize("is_asked", [True, False])
    def test_what_a_row_breaks_is_raised_and_nothing_is_there(self, here: Database, is_asked: bool) -> None:
        def work(unit: UnitOfWork) -> None:
            unit.copy(KEYS, keys("1", "1"))
            if is_asked:
                counted(unit)

        with pytest.raises(psycopg.errors.UniqueViolation):
            run(here, work)

        assert run(here, counted) == 0

    def test_what_goes_wrong_in_between_leaves_nothing_and_no_connection_behind(self, here: Database) -> None:
        def work(unit: UnitOfWork) -> None:
            unit.copy(KEYS, keys(*map(str, range(5_000))))
            raise LookupError

        before = run(here, backend)
        for _ in range(3):
            with pytest.raises(LookupError):
                run(here, work)

        assert run(here, backend) == before
        assert run(here, counted) == 0

    def test_a_row_that_can_not_be_made_leaves_nothing(self, here: Database) -> None:
        def rows() -> Iterator[bytes]:
            yield from keys("1")
            raise LookupError

        with pytest.raises(LookupError):
            run(here, lambda unit: unit.copy(KEYS, rows()))

        assert run(here, counted) == 0

    def test_it_has_a_deadline(self, here: Database) -> None:
        def work(unit: UnitOfWork) -> None:
            unit.copy(KEYS, keys("1"))
            time.sleep(1.5)
            counted(unit)

        with pytest.raises(psycopg.OperationalError):
            unit_of_work.run(here, time.monotonic() + 0.5, work)

        assert run(here, counted) == 0


def backend(unit: UnitOfWork) -> int:
    found: int = unit.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return found


class TestNow:
    def test_as_text_it_is_what_is_answered_for_it(self, here: Database) -> None:
        def work(unit: UnitOfWork) -> tuple[object, str]:
            return unit.now, unit.now_text

        now, written = run(here, work)

        assert to_json(now) == f'"{written}"'
