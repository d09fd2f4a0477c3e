"""Connections for the time of a request: taken, watched and given back.

SQLAlchemy's pool makes two objects for each time that a connection is taken, asks its listeners and waits behind a lock of its own: 60 us
of a request that has 300 of Python. So a connection that was given back stays out of the pool, as it is, for whoever comes next; the pool
makes them, counts them and throws them away.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, QueuePool, event, exc
from sqlalchemy.engine import Engine

from app.db.deadline import DeadlineWatch

# Any: psycopg's rows, of which nothing is said here.

_NEVER = float("inf")


class _Patience(threading.local):
    """Until when the running thread may wait for a connection, on the monotonic clock."""

    until = _NEVER


patience = _Patience()


class Leases:
    """The connections of one engine that nobody uses at present."""

    def __init__(self, engine: Engine, watch: DeadlineWatch) -> None:
        self._engine = engine
        self.watch = watch
        self._idle: deque[Connection] = deque()
        # Those of the pool that were made before are not handed out any more, on the monotonic clock.
        self._distrusted_until = 0.0
        event.listen(engine, "checkout", self._refuse_dead)
        # How many threads wait for one of the pool's.
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def in_use(self) -> int:
        """How many are out of the pool and not idle."""
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        return pool.checkedout() - len(self._idle)

    def take(self, until: float = _NEVER) -> Connection:
        """One that is alive, as far as the kernel knows. Waits for a place as long as the pool does, and for a new one up to `until`."""
        return self._idle_one() or self._one_of_the_pool(until)

    def give(self, connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        if connection.in_transaction():
            # SQLAlchemy's own notion of one, in autocommit.
            connection.rollback()
        status = driver.pgconn.transaction_status
        if status != TransactionStatus.IDLE:
            # Broken, or left in the middle of something.
            connection.invalidate()
            connection.close()
            if status == TransactionStatus.UNKNOWN:
                self.distrust()
            return
        self._idle.append(connection)
        if self._waiting:
            self.clear()

    def clear(self) -> None:
        """Give all that are idle back to the pool."""
        while (connection := self._popped()) is not None:
            connection.close()

    def distrust(self) -> None:
        """Give up all that there are now: one was lost, and the others probably died of the same, be it in a silence that the kernel
        takes for life."""
        self._distrusted_until = time.monotonic()
        while (connection := self._popped()) is not None:
            connection.invalidate()
            connection.close()

    def _refuse_dead(self, driver: psycopg.Connection[Any], record: Any, proxy: object) -> None:  # Any: the pool's record is untyped
        info = record.info
        if info["made"] <= self._distrusted_until or not _is_alive(info):
            raise exc.InvalidatePoolError

    def _popped(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _idle_one(self) -> Connection | None:
        while (connection := self._popped()) is not None:
            if _is_alive(connection.info):
                return connection
            connection.invalidate()
            connection.close()
        return None

    def _one_of_the_pool(self, until: float) -> Connection:
        with self._lock:
            self._waiting += 1
        try:
            # Once more: whoever gives one back from now on sees that we wait.
            found = self._idle_one()
            if found is not None:
                return found
            patience.until = until
            return self._engine.connect()
        finally:
            patience.until = _NEVER
            with self._lock:
                self._waiting -= 1


class Lease:
    """One connection by `with`. A class, since every request makes one, and a generator would cost it some microseconds more."""

    __slots__ = ("_connection", "_driver", "_leases", "_until")

    def __init__(self, leases: Leases, until: float) -> None:
        self._leases = leases
        self._until = until

    def __enter__(self) -> Connection:
        self._connection = self._leases.take(self._until)
        self._driver: psycopg.Connection[Any] = self._connection.connection.driver_connection  # type: ignore[assignment]  # psycopg's
        self._leases.watch.enter(self._driver, self._until)
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._leases.watch.leave(self._driver)
        if self._connection.invalidated or self._connection.closed:
            self._connection.close()
            self._leases.distrust()
        else:
            self._leases.give(self._connection)


def known_of(driver: psycopg.Connection[Any]) -> dict[str, Any]:
    """What is kept beside a new connection, in its `info`."""
    return {"driver": driver, "made": time.monotonic()}


def _is_alive(info: Mapping[str, Any]) -> bool:
    """Finds connections that died while idle by reading what came unasked (2 us), where a ping would be a round trip for every request.

    Twice: a server that ends a session says so first, and the end stands behind its words. To poll would give up the interpreter's lock.
    """
    driver = info["driver"]
    try:
        driver.pgconn.consume_input()
        driver.pgconn.consume_input()
    except psycopg.Error:
        return False
    return not driver.closed
