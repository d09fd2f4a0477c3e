"""Protects the external ids of many things: what is claimed is found as it was said, once, and by nobody who came second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.contact_history.models import ContactHistoryKey
from app.core.errors import Outrun
from app.core.ids import new_id
from app.core.syncing import ExternalKey
from app.customers.models import CustomerKey
from app.db import unit_of_work
from app.db.base import table_of
from app.db.engines import Database
from app.db.key_table import KeyTable
from app.db.unit_of_work import UnitOfWork
from tests.builders import database
from tests.db import units
from tests.db.test_copying import TEXTS
from tests.db.units import run

T = TypeVar("T")

CUSTOMERS = KeyTable(table_of(CustomerKey))
ENTRIES = KeyTable(table_of(ContactHistoryKey))
# So many that they go by COPY.
MANY = 30
WAYS = pytest.mark.parametrize("contended", [False, True], ids=["by COPY", "by INSERT"])


@pytest.fixture
def here(app: Flask) -> Database:
    return units.of(app)


def once(here: Database, work: Callable[[UnitOfWork], T], *, contended: bool) -> T:
    """What `work` does at its first run, or as a repeat; Outrun where it was outrun."""
    with here.lease(time.monotonic() + 10) as connection:
        found, _ = unit_of_work._run_once(connection, work, contended=contended)
        return found


def claim(here: Database, held: Mapping[ExternalKey, tuple[UUID]], *, contended: bool) -> None:
    once(here, lambda unit: CUSTOMERS.claim(unit, held), contended=contended)


def found(here: Database, *keys: ExternalKey) -> Mapping[ExternalKey, list[UUID]]:
    return run(here, lambda unit: {key: list(ids) for key, ids in CUSTOMERS.find(unit.connection, keys).items()})


def some(count: int, *, source: str = "shop") -> list[ExternalKey]:
    return [ExternalKey(source, str(number)) for number in range(count)]


def outcome(here: Database, ordered: list[ExternalKey], contended: bool, outcomes: list[str]) -> None:
    try:
        claim(here, {key: (new_id(),) for key in ordered}, contended=contended)
    except Outrun:
        outcomes.append("outrun")
    else:
        outcomes.append("held")


class TestClaim:
    @WAYS
    def test_what_is_claimed_is_found_and_what_is_released_is_not(self, here: Database, contended: bool) -> None:
        keys = some(MANY)
        held = {key: (new_id(),) for key in keys}

        claim(here, held, contended=contended)
        run(here, lambda unit: CUSTOMERS.release(unit.connection, keys[:2]))

        assert found(here, *keys, ExternalKey("erp", "3")) == {key: [*held[key]] for key in keys[2:]}

    @WAYS
    def test_of_two_columns_both_are_found(self, here: Database, contended: bool) -> None:
        held = {key: (new_id(), new_id()) for key in some(MANY)}

        once(here, lambda unit: ENTRIES.claim(unit, held), contended=contended)

        assert run(here, lambda unit: {key: tuple(ids) for key, ids in ENTRIES.find(unit.connection, held).items()}) == held

    @WAYS
    def test_one_that_somebody_has_is_not_taken_nor_any_other(self, here: Database, contended: bool) -> None:
        *others, last = some(MANY)
        before = new_id()
        claim(here, {last: (before,)}, contended=contended)

        with pytest.raises(Outrun):
            claim(here, {key: (new_id(),) for key in (*others, last)}, contended=contended)

        assert found(here, *others, last) == {last: [before]}

    @WAYS
    def test_nothing_is_claimed_without_a_word(self, here: Database, contended: bool) -> None:
        claim(here, {}, contended=contended)

        assert found(here) == {}

    def test_a_repeat_finds_who_was_first(self, here: Database) -> None:
        key, *others = some(MANY)
        theirs = new_id()
        seen = []

        def work(unit: UnitOfWork) -> None:
            holder = CUSTOMERS.find(unit.connection, [key]).get(key)
            seen.append((holder and holder[0], unit.contended))
            if len(seen) == 1:
                claim(here, {key: (theirs,)}, contended=False)
            if holder is None:
                CUSTOMERS.claim(unit, {one: (new_id(),) for one in (key, *others)})

        run(here, work)

        assert seen == [(None, False), (theirs, True)]

    @WAYS
    def test_who_comes_second_waits_for_the_first_and_gets_it_where_he_gives_up(self, here: Database, contended: bool) -> None:
        keys, mine, begun = some(MANY), new_id(), threading.Event()
        done: list[float] = []

        def second() -> None:
            begun.wait(10)
            claim(here, dict.fromkeys(keys, (mine,)), contended=contended)
            done.append(time.monotonic())

        thread = threading.Thread(target=second)

        def first(unit: UnitOfWork) -> None:
            CUSTOMERS.claim(unit, {key: (new_id(),) for key in keys})
            begun.set()
            time.sleep(0.5)
            done.append(time.monotonic())
            raise LookupError

        thread.start()
        with pytest.raises(LookupError):
            once(here, first, contended=contended)
        thread.join(10)

        assert done == sorted(done)
        assert len(done) == 2
        assert found(here, *keys) == {key: [mine] for key in keys}

    def test_what_is_wrong_otherwise_is_raised_as_it_is(self, here: Database) -> None:
        held: dict[ExternalKey, tuple[UUID]] = dict.fromkeys(some(MANY), (None,))  # type: ignore[misc]  # what may not be

        with pytest.raises(psycopg.errors.NotNullViolation):
            claim(here, held, contended=False)

    def test_claims_in_opposite_orders_never_wait_in_a_circle(self, here: Database) -> None:
        for number in range(20):
            keys = [ExternalKey("shop", f"{number}-{part}") for part in range(200)]
            outcomes: list[str] = []

            orders = [keys, keys[::-1], keys[100:] + keys[:100]]
            threads = [threading.Thread(target=outcome, args=(here, order, at == 2, outcomes)) for at, order in enumerate(orders)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)

            # A circle would be an error of the database's, and no outcome.
            assert sorted(outcomes) == ["held", "outrun", "outrun"]

    @settings(max_examples=60, deadline=None)
    @given(texts=st.lists(TEXTS.filter(bool), min_size=1, max_size=5, unique=True))
    def test_any_text_is_found_as_it_was_said(self, session_app: Flask, texts: list[str]) -> None:
        # The others only so that they go by COPY.
        held = {ExternalKey("shop", one): (new_id(),) for one in texts} | {key: (new_id(),) for key in some(MANY, source="erp")}
        with database(session_app) as connection:
            for contended in (False, True):
                unit = UnitOfWork(connection, contended=contended)
                try:
                    CUSTOMERS.claim(unit, held)
                    assert {key: tuple(ids) for key, ids in CUSTOMERS.find(unit.connection, held).items()} == held
                    CUSTOMERS.release(unit.connection, held)
                    assert CUSTOMERS.find(unit.connection, held) == {}
                finally:
                    unit.give_up()
                    unit_of_work._roll_back(connection)
