"""Processes that write customers as the service does, with pauses, roll-backs and retries, for tests of what holds meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from functools import partial
from uuid import UUID

from sqlalchemy import bindparam, update

from app.changes.log import with_event
from app.config import Config
from app.core.caller import Caller, command_line
from app.core.preconditions import NONE
from app.customers import queries, service
from app.customers.direct import Direct
from app.customers.models import Customer
from app.db import unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork

# Enough that an unfenced log is out of order some hundred times over; KEHU_TEST_EVENTS=100000 for the long run.
EVENTS = int(os.environ.get("KEHU_TEST_EVENTS", "4000"))
WRITERS = 8


class RolledBack(Exception):
    """Thrown on purpose, after a write and before its commit."""


def make_customers(database: Database, count: int) -> list[UUID]:
    caller = command_line("tests")
    deadline = time.monotonic() + 30
    return [
        unit_of_work.run(database, deadline, lambda unit: service.create(Direct(unit, caller), data={"given_name": "0"})).id
        for _ in range(count)
    ]


def start(config: Config, customers: list[UUID], events: int, *, fenced: bool = True) -> list[multiprocessing.Process]:
    """Eight processes that together write `events` effective changes to `customers`."""
    context = multiprocessing.get_context("spawn")
    share = events // WRITERS
    processes = [context.Process(target=write, args=(config, customers, share, seed, fenced)) for seed in range(WRITERS)]
    for process in processes:
        process.start()
    return processes  # type: ignore[return-value]  # a SpawnProcess is a Process


def write(config: Config, customers: list[UUID], share: int, seed: int, fenced: bool) -> None:
    """`share` committed changes by this process."""
    if not fenced:
        values = {name: bindparam(f"row_{name}", type_=Customer.__table__.c[name].type) for name in queries.WRITTEN}
        condition = (Customer.id == bindparam("key"), Customer.version == bindparam("known_version"))
        queries._UPDATE = with_event(update(Customer).where(*condition).values(values))
    dice = random.Random(seed)
    database = Database(config)
    caller = command_line(f"writer {seed}")
    done = 0
    while done < share:
        customer = dice.choice(customers)
        name = f"{seed}-{done}"
        pause = dice.choice((0, 0, 0, 0.001))
        gives_up = dice.random() < 0.05

        try:
            unit_of_work.run(database, time.monotonic() + 60, partial(_change, caller, customer, name, pause, gives_up))
            done += 1
        except RolledBack:
            continue
    database.close()


def _change(caller: Caller, customer: UUID, name: str, pause: float, gives_up: bool, unit: UnitOfWork) -> None:
    # Between the id of the transaction and the lock of the row: where the order can go wrong.
    time.sleep(pause)
    service.patch(Direct(unit, caller), customer_id=customer, data={"given_name": name}, restore=False, precondition=NONE)
    if gives_up:
        raise RolledBack


def stop_all(processes: list[multiprocessing.Process]) -> None:
    for process in processes:
        process.join(600)
        assert process.exitcode == 0, f"a writer ended with {process.exitcode}"
