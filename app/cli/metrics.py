"""`kehu metrics`: whether customers' metrics are what their interactions add up to, and putting them right where they are not."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import click

from app.cli import instance
from app.config import Config
from app.contact_history import recounting
from app.contact_history.metric_queries import Recount
from app.contact_history.metrics import NAMES
from app.core.caller import command_line
from app.core.times import format_timestamp
from app.db import unit_of_work
from app.db.engines import Database

# A page is one statement over all interactions of so many customers, which may take its time: nobody waits for it.
_PAGE = 1_000
_STATEMENT_SECONDS = 600.0
_PAGE_SECONDS = 900.0
# While one customer is counted again, whoever writes an interaction of his waits for it.
_LOCK_SECONDS = 30.0


@click.group()
def metrics() -> None:
    """Compare customers' metrics with a recount of their interactions, or rebuild them."""


@metrics.command()
def verify() -> None:
    """Count every customer's interactions again and list the metrics that differ.

    Exit status 0: all are true; 1: some are not. The service may go on meanwhile.
    """
    wrong = 0
    counted = 0
    with _database() as database:
        for page in _pages(database):
            counted += page.counted
            wrong += len(page.wrong)
            for recount in page.wrong:
                _tell(recount)
    click.echo(f"{counted} customers counted, {wrong} with metrics that differ.")
    if wrong:
        click.get_current_context().exit(1)


@metrics.command()
def rebuild() -> None:
    """Count every customer's interactions again and write the metrics that differ.

    Each customer by itself, as a change that the feed tells of. The service may go on meanwhile.
    """
    caller = command_line("kehu metrics rebuild")
    rebuilt = 0
    counted = 0
    with _database() as database:
        for page in _pages(database):
            counted += page.counted
            for recount in page.wrong:
                work = partial(recounting.rebuild, caller=caller, customer_id=recount.customer_id)
                rebuilt += unit_of_work.run(database, time.monotonic() + _PAGE_SECONDS, work)
    click.echo(f"{counted} customers counted, {rebuilt} rebuilt.")


def _pages(database: Database) -> Iterator[recounting.Page]:
    """Every customer, a page at a time, each with a lease of its own."""
    after = None
    while True:
        with database.lease(time.monotonic() + _PAGE_SECONDS) as connection:
            page = recounting.compare(connection, after=after, count=_PAGE)
        yield page
        after = page.last
        if after is None:
            return
        # On a terminal only: in a log the last line is enough.
        if sys.stderr.isatty():
            click.echo(".", err=True, nl=False)


def _tell(recount: Recount) -> None:
    for name, stored, counted in zip(NAMES, recount.stored, recount.counted, strict=True):
        if stored != counted:
            click.echo(f"{recount.customer_id}  {name}  stored {_shown(stored)}  counted {_shown(counted)}")


def _shown(value: object) -> str:
    return format_timestamp(value) if isinstance(value, datetime) else str(value)


@contextmanager
def _database() -> Iterator[Database]:
    config = dataclasses.replace(
        Config.from_env(), statement_timeout=_STATEMENT_SECONDS, request_deadline=_PAGE_SECONDS, lock_timeout=_LOCK_SECONDS
    )
    with instance.database(config) as (database, _):
        yield database
