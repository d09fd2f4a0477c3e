"""What a failed statement means, decided by SQLSTATE; the only place that reads the database's errors."""

from __future__ import annotations

import psycopg
from sqlalchemy import exc

from app.core.errors import KehuError, QueryTooDear, Unavailable

SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
_FORGOTTEN_STATEMENT = "26000"
_QUERY_CANCELED = "57014"
_LOCK_NOT_AVAILABLE = "55P03"
_UNIQUE_VIOLATION = "23505"
_INTERNAL_ERROR = "XX000"
_READ_ONLY = "25006"
_IO_ERROR = "58030"
# This process was stopped in the middle of a write for longer than the server waits.
_IDLE_IN_TRANSACTION = "25P03"

# Connection lost; the server stopping or starting; disk, memory or connections used up.
_AWAY_CLASSES = ("08", "53", "57P")

# What the driver, the pool and the server may raise through us.
DATABASE_ERRORS = (exc.DBAPIError, exc.TimeoutError, exc.InvalidRequestError, psycopg.Error)


def sqlstate(error: BaseException) -> str | None:
    """The five characters by which PostgreSQL names what went wrong; None where it never got an answer."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def is_lock_timeout(error: BaseException) -> bool:
    """Whether somebody else held a lock for longer than we wait."""
    return sqlstate(error) == _LOCK_NOT_AVAILABLE


def is_repeatable(error: BaseException) -> bool:
    """Whether the transaction lost against another one, or a statement that was prepared is so no more: it may simply be run again."""
    return sqlstate(error) in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED, _FORGOTTEN_STATEMENT)


def may_be_taken(error: BaseException) -> bool:
    """Whether a COPY may have failed since somebody has one of the keys already. Citus has no code of its own for that, but says XX000,
    which may be anything: nothing may be concluded but that it is to be looked up."""
    return sqlstate(error) in (_UNIQUE_VIOLATION, _INTERNAL_ERROR)


def is_of_statement(error: BaseException) -> bool:
    """Whether it is the statement that is at fault, or dearer than its time-out lets it be: the same again fares no better."""
    told = meaning(error, narrowable=True)
    return sqlstate(error) is not None and (told is None or isinstance(told, QueryTooDear))


def meaning(error: BaseException, *, narrowable: bool) -> KehuError | None:
    """What a caller is told of `error`; None where it is our own mistake. A time-out is a query's fault where it can be narrowed."""
    state = sqlstate(error)
    if state == _QUERY_CANCELED and narrowable:
        return QueryTooDear()
    if state in (_LOCK_NOT_AVAILABLE, _QUERY_CANCELED) or is_repeatable(error) or isinstance(error, exc.TimeoutError):
        return Unavailable("database_busy")
    if state in (_READ_ONLY, _IO_ERROR, _IDLE_IN_TRANSACTION) or (state is not None and state.startswith(_AWAY_CLASSES)):
        return Unavailable()
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if state is None and isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Unavailable()
    # Three fresh connections in a row were dead on arrival: SQLAlchemy has no narrower class for it.
    if isinstance(error, exc.InvalidRequestError) and "connection" in str(error).lower():
        return Unavailable()
    return None
