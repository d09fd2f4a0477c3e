"""One write: everything that belongs together in one transaction, run again where the database asks for it.

**The fence.** A transaction gets its id (xid) before it waits for a row, so of two writers of one row the later may have the smaller
xid, and the feed, which is in the order of xids, would show their events the wrong way round. Each versioned row keeps the xid of its last
writer; whoever updates it does so only where that is not larger than his own, else raises `Outrun`, and the unit is rolled back and run
again with a new xid.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Boolean, Connection, Uuid, literal_column

from app.core.errors import Outrun, Unavailable
from app.core.times import format_timestamp
from app.db import failures
from app.db.copying import Copying, OpenCopy
from app.db.engines import Database, driver_connection, wire_of

T = TypeVar("T")

# Deadlocks and serialization failures; beyond that the database is too busy for us.
_REPEATS = 3
# Losing a race costs one short transaction; under 8 writers on one row a fifth try is rare, and a caller has done nothing wrong.
_OUTRUN_REPEATS = 50

# The id comes with the BEGIN, in one round trip, and the time is the database's, so that hosts need not agree on theirs. With them comes
# the one thing that most writes have to know of what others may have changed: which edition of the attributes' definitions there is.
_BEGIN = b"BEGIN; SELECT pg_current_xact_id(), pg_snapshot_xmin(pg_current_snapshot()), now(), (SELECT edition FROM attribute_edition)"

_COMMIT = b"COMMIT"
# PostgreSQL waits for a synchronous standby only where the transaction itself wrote something (RecordTransactionCommit in xact.c). A
# replay, or a change to what is stored already, answers for an earlier write, whose own wait may have been given up: it has to wait as
# well, and so writes an empty message, 100 bytes of WAL. Where there is no such standby this costs nothing.
_COMMIT_UNWRITTEN = (
    b"SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' THEN pg_logical_emit_message(true, 'kehu', '') END; COMMIT"
)


# What a unit has to know beside the rows that it reads, as columns of any SELECT: they come with the first row, where a statement of
# their own would cost every write a round trip.
BESIDE = (
    literal_column("(SELECT edition FROM attribute_edition)", Uuid()).label("edition"),
    literal_column("current_setting('synchronous_standby_names') <> '' OR pg_is_in_recovery()", Boolean()).label("must_commit"),
)


class UnitOfWork:
    """A transaction, open from the first thing on that needs one. Services write through it and never commit.

    What only looks needs none: each statement sees what is committed, inside as outside. So a write that finds everything as it is to be
    has begun nothing, and one that does write has a transaction, and an id of it, for as short a time as can be.
    """

    def __init__(self, connection: Connection, *, contended: bool = False) -> None:
        self._connection = connection
        # Whether this is a repeat, since somebody else wrote what we were about to write: take turns by locks now.
        self.contended = contended
        # `(epoch, xid, id)` of the last event appended, None where nothing was written.
        self.position: tuple[int, int, int] | None = None
        # What is to be begun once all of this is committed, and only then.
        self.afterwards: list[Callable[[], object]] = []
        self._begun: _Begun | None = None
        self._copy: OpenCopy | None = None
        self._edition: UUID | None = None
        self._was_told = False
        self._must_commit = True

    @property
    def looking(self) -> Connection:
        """Outside of the transaction where there is none yet: for statements that neither write nor lock. Ends a `copy`, see there."""
        if self._copy is not None:
            self.end_copy()
        return self._connection

    @property
    def connection(self) -> Connection:
        """Inside the transaction. Ends a `copy`, see there."""
        self._begin()
        return self.looking

    def copy(self, copying: Copying, texts: Iterable[bytes]) -> None:
        """Insert rows by COPY, in their order, each text as soon as it is made; what makes them must not ask for the connection.

        It stays open for more of the same, and the database is at them while those are made, until the connection is asked for: only then
        what is wrong with a row may be raised. One that was kept from before must not be used meanwhile: by libpq's way the transaction
        would be lost, by the driver's it would wait for ever.
        """
        if self._copy is None or self._copy.copying is not copying:
            self._copy = OpenCopy(copying, self.connection)
        self._copy.write(texts)

    def end_copy(self) -> None:
        """Raises what is wrong with a row. To be called before a pause: who hangs in the middle of a COPY is not given up by the server, as
        who hangs between two statements is."""
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.close()

    def give_up(self) -> None:
        """To be called before a ROLLBACK."""
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.give_up()

    @property
    def xid(self) -> int:
        """The transaction's id, an xid8; written on every versioned row."""
        return (self._begun or self._begin()).xid

    @property
    def oldest_xid(self) -> int:
        """That of the oldest transaction that was running when this one began. What a smaller one has written every statement of this unit
        sees; of distributed tables that is not so, as their nodes commit one by one."""
        return (self._begun or self._begin()).oldest_xid

    @property
    def now(self) -> datetime:
        """When the transaction began, by the database's clock, UTC."""
        return (self._begun or self._begin()).now

    @cached_property
    def now_text(self) -> str:
        """`now` as it is answered, for events: a time costs as much to write as three short texts."""
        return format_timestamp(self.now)

    @property
    def edition(self) -> UUID | None:
        """Of the definitions of attributes, see `app.attributes.held`; None where there never was one."""
        return self._edition if self._was_told else self._begin().edition

    def tell(self, edition: UUID | None, must_commit: bool) -> None:
        """What a statement that looked has said of `BESIDE`. `must_commit`: what was seen is not told before a commit has gone through,
        since it may wait for a standby still, or is a standby's own, which may be behind and refuses to begin."""
        if not self._was_told:
            self._edition, self._must_commit, self._was_told = edition, must_commit, True

    def _begin(self) -> _Begun:
        if self._begun is None:
            self._begun = _Begun(*wire_of(self._connection).answer(_BEGIN)[0])
        return self._begun

    def end(self) -> None:
        """Commit. Raises Unavailable where the commit is not confirmed."""
        if self._begun is not None:
            self._commit(_COMMIT_UNWRITTEN if self.position is None else _COMMIT)
        elif self._must_commit:
            self._begin()
            self._commit(_COMMIT_UNWRITTEN)

    def _commit(self, statement: bytes) -> None:
        warnings: list[str] = self.looking.info["warnings"]
        warnings.clear()
        done = wire_of(self.looking).command(statement).command_status
        # What failed and was passed over by us is rolled back by a COMMIT, without an error.
        if done != b"COMMIT":
            raise RuntimeError(f"the transaction ended by {done!r}")
        # A synchronous standby's confirmation was given up: the write is only on the machine that may be about to die, so it is not
        # acknowledged (SyncRepWaitForLSN in PostgreSQL's syncrep.c warns and goes on).
        if warnings:
            raise Unavailable("commit_unconfirmed")


@dataclass(frozen=True, slots=True)
class _Begun:
    xid: int
    oldest_xid: int
    now: datetime
    edition: UUID | None


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
            with database.lease(until) as connection:
                done, unit = _run_once(connection, work, contended=losses > 0)
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


def _run_once(connection: Connection, work: Callable[[UnitOfWork], T], *, contended: bool) -> tuple[T, UnitOfWork]:
    unit = UnitOfWork(connection, contended=contended)
    try:
        done = work(unit)
        unit.end()
    except BaseException:
        unit.give_up()
        _roll_back(connection)
        raise
    return done, unit


def _roll_back(connection: Connection) -> None:
    # Of one that SQLAlchemy has given up nothing may be asked any more.
    if connection.invalidated or driver_connection(connection).info.transaction_status == TransactionStatus.IDLE:
        return
    try:
        wire_of(connection).command(b"ROLLBACK")
    except psycopg.Error:
        # The server rolls back what it cannot hear of any more; the connection must not be handed out again.
        connection.invalidate()
