"""Locking the customers of many interactions: all are counted, and those whom somebody has written meanwhile are told as they are now."""

from __future__ import annotations

from contextlib import ExitStack
from uuid import UUID

import pytest

from app.contact_history import metric_queries
from app.contact_history.metric_queries import State
from app.core.ids import new_id
from app.db.unit_of_work import UnitOfWork
from tests.builders import customer
from tests.client import Api
from tests.contact_history.test_meeting import earlier
from tests.db import units


@pytest.fixture
def known(api: Api) -> list[UUID]:
    return [UUID(customer(api)["id"]) for _ in range(3)]


def lock(api: Api, known: list[UUID], *, between: ExitStack | None = None, written: UUID | None = None) -> tuple[int, dict[UUID, State]]:
    """Read, and then lock, with one customer written in between."""

    def work(unit: UnitOfWork) -> tuple[int, dict[UUID, State]]:
        assert set(metric_queries.list_metered(unit.connection, known)) == set(known)
        if written is not None:
            assert api.patch(f"/v1/customers/{written}", {"owner": "anna"}).status_code == 200
        if between is not None:
            between.close()
        return metric_queries.lock_set(unit, [*known, new_id()])

    return units.run(units.of(api.app), work)


class TestLockSet:
    def test_those_that_nobody_has_written_are_only_counted(self, api: Api, known: list[UUID]) -> None:
        assert lock(api, known) == (3, {})

    def test_one_that_somebody_has_written_is_told_as_it_is_now(self, api: Api, known: list[UUID]) -> None:
        count, written = lock(api, known, written=known[1])

        assert count == 3
        assert {customer_id: state.version for customer_id, state in written.items()} == {known[1]: 2}

    def test_so_is_one_that_was_written_by_who_began_before(self, api: Api, known: list[UUID]) -> None:
        with ExitStack() as begun:
            other = begun.enter_context(earlier(api))
            other.connection.exec_driver_sql(
                "UPDATE customers SET version = 7, xid = %s::text::xid8 WHERE id = %s", (str(other.xid), known[2])
            )
            count, written = lock(api, known, between=begun)

        assert count == 3
        assert {customer_id: (state.version, state.xid) for customer_id, state in written.items()} == {known[2]: (7, other.xid)}

    def test_nobody_is_nobody(self, api: Api) -> None:
        assert lock(api, []) == (0, {})
