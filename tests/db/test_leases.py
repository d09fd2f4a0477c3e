"""Protects how connections are shared: none is handed out dead or in the middle of something, and nobody waits for one that is idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, exc, text

from app.db.engines import Database, wire_of
from tests.builders import database as other_connection
from tests.conftest import config_for


@pytest.fixture
def database(app: Flask, database_url: str) -> Iterator[Database]:
    """Of two connections at most."""
    database = Database(config_for(database_url, threads=1, lock_timeout=0.3))
    yield database
    database.close()


def soon() -> float:
    return time.monotonic() + 5


def backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def used(database: Database) -> int:
    """The server's process behind the connection that is leased next."""
    with database.lease(soon()) as connection:
        return backend(connection)


class TestLease:
    def test_one_after_the_other_has_the_same_connection(self, database: Database) -> None:
        assert used(database) == used(database)

    def test_two_at_once_have_two(self, database: Database) -> None:
        with database.lease(soon()) as one, database.lease(soon()) as other:
            assert backend(one) != backend(other)
            assert database.in_use == 2

        assert database.in_use == 0

    def test_one_that_the_server_ended_is_not_handed_out(self, app: Flask, database: Database) -> None:
        ended = used(database)
        with other_connection(app) as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})

        assert used(database) != ended

    def test_one_that_was_left_inside_a_transaction_is_given_up(self, database: Database) -> None:
        with database.lease(soon()) as connection:
            left = backend(connection)
            wire_of(connection).command(b"BEGIN")

        assert used(database) != left

    def test_one_that_was_given_up_by_its_user_is_not_kept(self, database: Database) -> None:
        with database.lease(soon()) as connection:
            left = backend(connection)
            connection.invalidate()

        assert used(database) != left
        assert database.in_use == 0

    def test_where_all_are_in_use_a_further_one_is_waited_for(self, database: Database) -> None:
        with database.lease(soon()), database.lease(soon()), pytest.raises(exc.TimeoutError):
            database.lease(soon()).__enter__()

        assert used(database)

    def test_who_waits_gets_what_is_given_back(self, database: Database) -> None:
        leave = threading.Event()
        entered = threading.Barrier(3)

        def hold() -> None:
            with database.lease(soon()):
                entered.wait(5)
                leave.wait(5)

        holders = [threading.Thread(target=hold) for _ in range(2)]
        for holder in holders:
            holder.start()
        entered.wait(5)
        threading.Timer(0.1, leave.set).start()

        found = used(database)

        for holder in holders:
            holder.join()
        assert found

    def test_many_threads_share_the_two_without_losing_one(self, database: Database) -> None:
        failed: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(50):
                    used(database)
            except BaseException as error:  # noqa: BLE001  # whatever it is, the test has to see it
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failed == []
        assert database.in_use == 0


class TestSession:
    def test_one_that_failed_is_given_up(self, database: Database) -> None:
        session = database.session()
        left = backend(session.__enter__().connection)

        session.__exit__(ZeroDivisionError, ZeroDivisionError(), None)

        assert used(database) != left

    def test_one_that_did_not_is_used_again(self, database: Database) -> None:
        with database.session() as session:
            left = backend(session.connection)

        assert used(database) == left
