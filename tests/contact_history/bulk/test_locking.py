"""Locking the customers of many interactions: all are counted, and those whom somebody has written meanwhile are told as they are now."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from uuid import UUID

import pytest

from app.contact_history import metric_queries
from app.contact_history.metric_queries import LockedSet
from app.core.ids import new_id
from app.db.unit_of_work import UnitOfWork
from tests.builders import customer, execute
from tests.client import Api
from tests.contact_history.test_meeting import earlier
from tests.db import units


@pytest.fixture
def known(api: Api) -> list[UUID]:
    return [UUID(customer(api)["id"]) for _ in range(3)]


def lock(api: Api, known: list[UUID], meanwhile: Callable[[], object] = lambda: None) -> LockedSet:
    """Read them, let others write, and lock them."""

    def work(unit: UnitOfWork) -> LockedSet:
        assert set(metric_queries.list_metered(unit.connection, known)) == set(known)
        meanwhile()
        return metric_queries.lock_set(unit, [*known, new_id()])

    return units.run(units.of(api.app), work)


class TestLockSet:
    def test_those_that_nobody_has_written_for_long_are_only_counted(self, api: Api, known: list[UUID]) -> None:
        # Whatever else runs on the server.
        execute(api.app, "UPDATE customers SET xid = '3'")

        assert lock(api, known) == LockedSet(3, {})

    def test_one_that_somebody_has_written_is_told_as_it_is_now(self, api: Api, known: list[UUID]) -> None:
        execute(api.app, "UPDATE customers SET xid = '3'")
        locked = lock(api, known, lambda: api.patch(f"/v1/customers/{known[1]}", {"owner": "anna"}))

        assert locked.number == 3
        assert {customer_id: state.version for customer_id, state in locked.written_since.items()} == {known[1]: 2}

    def test_so_is_one_that_was_written_by_who_began_before(self, api: Api, known: list[UUID]) -> None:
        execute(api.app, "UPDATE customers SET xid = '3'")
        with ExitStack() as begun:
            other = begun.enter_context(earlier(api))
            other.connection.exec_driver_sql(
                "UPDATE customers SET version = 7, xid = %s::text::xid8 WHERE id = %s", (str(other.xid), known[2])
            )
            locked = lock(api, known, begun.close)

        assert locked.number == 3
        assert {found: (state.version, state.xid) for found, state in locked.written_since.items()} == {known[2]: (7, other.xid)}

    def test_nobody_is_nobody(self, api: Api) -> None:
        assert lock(api, []) == LockedSet(0, {})
