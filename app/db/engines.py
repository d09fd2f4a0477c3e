"""The connections of one process: an autocommit pool, leased for a bounded time.

Reads run in autocommit, one round trip each; writes open their transaction themselves (`app.db.unit_of_work`), so one pool serves both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
from sqlalchemy import URL, Connection, Row, Select, create_engine, event, make_url
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from app.config import Config
from app.db import leases
from app.db.columns import to_json
from app.db.deadline import DeadlineWatch
from app.db.leases import Lease, Leases
from app.db.wire import Wire

_FETCH_ROWS = 500
_FETCH_SECONDS = 65.0
# Time-outs of a statement, FETCH among them, and of the pause between two, in which a reader may stall.
_BEGIN_SNAPSHOT = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '60s';"
    "SET LOCAL idle_in_transaction_session_timeout = '120s'"
)


class Database:
    """The pool of one process and the watch over it."""

    def __init__(self, config: Config) -> None:
        if config.database_url is None:
            raise ValueError("the embedded server has to be started before the engine is made")
        self.engine = make_engine(config)
        self._watch = DeadlineWatch()
        self._leases = Leases(self.engine, self._watch)

    def lease(self, until: float) -> Lease:
        """A connection in autocommit, for the time up to `until` (monotonic clock); past it the wait fails as a lost connection does."""
        return Lease(self._leases, until)

    @property
    def in_use(self) -> int:
        """How many connections are leased at present."""
        return self._leases.in_use

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection in autocommit for as long as it is wanted, such as for a lock of its session; given up on any error."""
        connection = self._leases.take()
        try:
            yield Session(connection, self._watch)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._leases.give(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One moment of the database, for as long as it takes to read."""
        # Given up with whatever it was doing.
        with self.session() as session:
            opened = Snapshot(session.connection, self._watch)
            opened.run(_BEGIN_SNAPSHOT)
            yield opened
            with opened.watched():
                wire_of(opened.connection).command(b"ROLLBACK")

    def close(self) -> None:
        self._leases.clear()
        self.engine.dispose()


class Session:
    """A connection of which every statement has a time-out of its own, and the whole none."""

    def __init__(self, connection: Connection, watch: DeadlineWatch) -> None:
        self.connection = connection
        self._watch = watch

    @contextmanager
    def watched(self, seconds: float = _FETCH_SECONDS) -> Iterator[None]:
        driver = driver_connection(self.connection)
        self._watch.enter(driver, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._watch.leave(driver)


class Snapshot(Session):
    """A reading transaction; every fetch has a time-out as well."""

    def run(self, statement: str) -> None:
        with self.watched():
            self.connection.exec_driver_sql(statement)

    def blocks(self, statement: Select[Any], values: Mapping[str, Any] | None = None) -> Generator[Sequence[Row[Any]], None, None]:
        """The rows of `statement`, fetched some at a time through a cursor of the server's."""
        options = {"stream_results": True, "max_row_buffer": _FETCH_ROWS}
        with self.watched():
            result = self.connection.execute(statement, values, execution_options=options)
        try:
            while True:
                with self.watched():
                    rows = result.fetchmany(_FETCH_ROWS)
                if not rows:
                    return
                yield rows
        finally:
            result.close()


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:  # Any: the row type of the cursors we open
    """psycopg's own connection below SQLAlchemy's."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def wire_of(connection: Connection) -> Wire:
    """The same by libpq itself."""
    found = connection.info["wire"]
    assert isinstance(found, Wire)
    return found


def make_engine(config: Config) -> Engine:
    """An engine whose every connection has our time-outs and speaks UTC and our JSON."""
    engine = create_engine(
        _url_with_settings(config),
        isolation_level="AUTOCOMMIT",
        # Measured on this stack: 862 us for checkout and select with BEGIN and ROLLBACK, 177 us so.
        pool_reset_on_return=None,
        skip_autocommit_rollback=True,
        # A thread each, and one more for each stream that there may be: an import has two chunks under way.
        pool_size=config.threads + config.streams,
        max_overflow=0,
        pool_timeout=config.lock_timeout,
        # Values in error messages are personal data.
        hide_parameters=True,
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )
    event.listen(engine, "do_connect", _connect_within(config.connect_timeout))
    event.listen(engine, "connect", _equip)
    return engine


# The default of 4 is of disks that turn: calls of the last thirty days were counted over a whole index of two years, since to fetch them
# by their time seemed dearer, in 112 ms instead of 29.
_PLANNING = "-c random_page_cost=1.1"


def _url_with_settings(config: Config) -> URL:
    url = make_url(config.database_url or "")
    settings = {
        "statement_timeout": f"{config.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{config.lock_timeout * 1000:.0f}",
        # A process that hangs in the middle of a write must not hold its row locks for ever.
        "idle_in_transaction_session_timeout": f"{config.request_deadline * 1000:.0f}",
        # What a host held that went without a word, such as a claim of a worker's, is free soon, and not after the two hours of TCP.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "timezone": "UTC",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = url.query.get("options", "")
    return url.update_query_dict(
        {
            # What the operator says of planning counts, and what is above holds whatever he says.
            "options": f"{_PLANNING} {given} {options}",
            "connect_timeout": str(max(2, round(config.connect_timeout))),
            "application_name": "kehu",
            # What is copied is sent as the bytes that it was made as.
            "client_encoding": "utf8",
        }
    )


def _connect_within(seconds: float) -> Callable[..., DBAPIConnection]:
    """Connects in `seconds`, or in what is left of the lease where that is less.

    In a thread of its own: `connect_timeout` counts anew for each address of a name, and not at all for a resolver that does not
    answer, which the system asks for 10 s and more. It ends the thread later.
    """

    def connect(dialect: Dialect, record: object, positional: list[Any], named: dict[str, Any]) -> DBAPIConnection:
        made: Future[DBAPIConnection] = Future()

        def run() -> None:
            try:
                connection = dialect.connect(*positional, **named)
            except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to the thread that waits
                if made.set_running_or_notify_cancel():
                    made.set_exception(error)
                return
            if made.set_running_or_notify_cancel():
                made.set_result(connection)
            else:
                connection.close()

        threading.Thread(target=run, name="database-connect", daemon=True).start()
        try:
            return made.result(max(0.0, min(seconds, leases.patience.until - time.monotonic())))
        except TimeoutError as error:
            if not made.cancel():
                return made.result()
            raise psycopg.OperationalError("no connection in time") from error

    return connect


def _equip(connection: psycopg.Connection[object], record: Any) -> None:  # Any: the pool's record is untyped
    warnings: list[str] = []
    record.info.update(leases.known_of(connection), warnings=warnings, wire=Wire(connection))

    def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warnings.append(diagnostic.sqlstate or "")

    connection.add_notice_handler(keep)
