"""One write: everything that belongs together in one transaction, run again where the database asks for it.

**The fence.** A transaction gets its id (xid) before it waits for a row, so of two writers of one row the later may have the smaller
xid, and the feed, which is in the order of xids, would show their events the wrong way round. Each versioned row keeps the xid of its last
writer; whoever updates it does so only where that is not larger than his own, else raises `Outrun`, and the unit is rolled back and run
again with a new xid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, exc

from app.core.errors import Outrun, Unavailable
from app.db import failures
from app.db.engines import Database, driver_connection

T = TypeVar("T")

# Deadlocks and serialization failures; beyond that the database is too busy for us.
_REPEATS = 3
# Losing a race costs one short transaction; under 8 writers on one row a fifth try is rare, and a caller has done nothing wrong.
_OUTRUN_REPEATS = 50

# The id comes with the BEGIN, in one round trip, and the time is the database's, so that hosts need not agree on theirs. With them comes
# the one thing that most writes have to know of what others may have changed: which edition of the attributes' definitions there is.
_BEGIN = "BEGIN; SELECT pg_current_xact_id()::text, now(), (SELECT edition FROM attribute_edition)"

_COMMIT = "COMMIT"
# PostgreSQL waits for a synchronous standby only where the transaction itself wrote something (RecordTransactionCommit in xact.c). A
# replay, or a change to what is stored already, answers for an earlier write, whose own wait may have been given up: it has to wait as
# well, and so writes an empty message, 100 bytes of WAL. Where there is no such standby this costs nothing.
_COMMIT_UNWRITTEN = (
    "SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' THEN pg_logical_emit_message(true, 'kehu', '') END; COMMIT"
)


@dataclass(slots=True)
class UnitOfWork:
    """An open transaction. Services write through it and never commit."""

    connection: Connection
    # The transaction's id, an xid8; written on every versioned row.
    xid: int
    # When the transaction began, by the database's clock, UTC.
    now: datetime
    # Of the definitions of attributes, see `app.attributes.held`; None where there never was one.
    edition: UUID | None = None
    # Whether this is a repeat, since somebody else wrote what we were about to write: take turns by locks now.
    contended: bool = False
    # `(epoch, xid, id)` of the last event appended, None where nothing was written.
    position: tuple[int, int, int] | None = None
    # What is to be begun once all of this is committed, and only then.
    afterwards: list[Callable[[], object]] = field(default_factory=list)


def run(database: Database, until: float, work: Callable[[UnitOfWork], T]) -> T:
    """What `work` returns, once its writes are committed. `work` may be called several times and must keep nothing between calls.

    `until` is on the monotonic clock. Raises what `work` raises, with nothing written; Unavailable where others kept
    being faster or the commit is not confirmed; and what the database raised where it kept refusing or went away. Whether the commit was
    made is then not known: the same may be sent again where it says who it is, by an external id, a version or an idempotency key.
    """
    losses = 0
    conflicts = 0
    while True:
        try:
            with database.lease(until) as connection, _transaction(connection, contended=losses > 0) as unit:
                done = work(unit)
            for begin in unit.afterwards:
                begin()
            return done
        except Outrun as error:
            losses += 1
            if losses > _OUTRUN_REPEATS or time.monotonic() > until:
                raise Unavailable("database_busy") from error
        except failures.DATABASE_ERRORS as error:
            conflicts += 1
            if not failures.is_repeatable(error) or conflicts > _REPEATS or time.monotonic() > until:
                raise


@contextmanager
def _transaction(connection: Connection, *, contended: bool) -> Iterator[UnitOfWork]:
    driver = driver_connection(connection)
    try:
        xid, now, edition = _begin(driver)
        unit = UnitOfWork(connection=connection, xid=xid, now=now, edition=edition, contended=contended)
        yield unit
        _commit(connection, driver, _COMMIT_UNWRITTEN if unit.position is None else _COMMIT)
    except BaseException:
        _roll_back(connection, driver)
        raise


def _begin(driver: psycopg.Connection[tuple[str, datetime, UUID | None]]) -> tuple[int, datetime, UUID | None]:
    with driver.cursor() as cursor:
        cursor.execute(_BEGIN)
        cursor.nextset()
        row = cursor.fetchone()
    if row is None:
        raise Unavailable
    return int(row[0]), row[1], row[2]


def _commit(connection: Connection, driver: psycopg.Connection[object], statement: str) -> None:
    warnings: list[str] = connection.info["warnings"]
    warnings.clear()
    with driver.cursor() as cursor:
        cursor.execute(statement)
        while cursor.nextset():
            pass
        done = cursor.statusmessage
    # What failed and was passed over by us is rolled back by a COMMIT, without an error.
    if done != "COMMIT":
        raise RuntimeError(f"the transaction ended by {done}")
    # A synchronous standby's confirmation was given up: the write is only on the machine that may be about to die, so it is not
    # acknowledged (SyncRepWaitForLSN in PostgreSQL's syncrep.c warns and goes on).
    if warnings:
        raise Unavailable("commit_unconfirmed")


def _roll_back(connection: Connection, driver: psycopg.Connection[object]) -> None:
    if connection.invalidated or (not driver.closed and driver.info.transaction_status == TransactionStatus.IDLE):
        return
    try:
        # Through SQLAlchemy, which gives up a dead connection and all others of its age, since they probably died of the same.
        connection.exec_driver_sql("ROLLBACK")
    except exc.DBAPIError:
        # The server rolls back what it cannot hear of any more; the pool must not hand this connection out again.
        connection.invalidate()
