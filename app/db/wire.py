"""Statements by libpq itself, on a connection that psycopg has opened.

psycopg's cursor is made for every kind of statement and for waits that can be broken off: for the row of a customer that is half of the
time that it takes. A statement that is known beforehand needs its values as text, one call that waits without the interpreter's lock,
and its rows in binary. What psycopg knows of types and of errors is used as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

# Any: column values.

# Prepared on one connection at the same time, and counted until they are; callers make statements by the fields and rules they choose.
_PREPARED_MAX = 300
# As psycopg's own threshold: what is asked for but once or twice is not worth a round trip of its own, nor a look at its plan.
PREPARE_AFTER = 5
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_SQLSTATE = DiagnosticField.SQLSTATE


class Statement(Protocol):
    """A statement with places `$1`, `$2` .."""

    @property
    def sql(self) -> bytes: ...

    @property
    def types(self) -> Sequence[int]:
        """The server's number of each value's type; 0 where the place says which it is."""

    @property
    def is_prepared(self) -> bool:
        """Once it is run often; else it is planned each time for its values."""


class Wire:
    """libpq's end of one connection, for one thread at a time."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self._pgconn: PGconn = driver.pgconn
        # Of this connection alone, since what it has learned of types is kept from one statement to the next.
        self._transformer = Transformer(driver)
        # The names of what is prepared, and how often the others were run: each with what was run last at its end, and no more than so
        # many, since callers make statements without end.
        self._names: OrderedDict[Statement, bytes] = OrderedDict()
        self._runs: OrderedDict[Statement, int] = OrderedDict()
        self._made = 0

    def execute(self, statement: Statement, values: Sequence[Any]) -> PGresult:
        """The result of `statement`, which is prepared once it is run often. Raises what psycopg would."""
        # As text, which PostgreSQL reads as whatever the place in the statement is. What comes back is binary: of a thousand customers'
        # metrics the server writes and we read each in 17.2 us so and 18.4 as text.
        sent = self._transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
        try:
            return self._execute(statement, sent)
        except InvalidSqlStatementName:
            # Somebody has told the server to forget: psycopg does, behind a ROLLBACK or a DROP of its own.
            self._names.clear()
            if self._pgconn.transaction_status != TransactionStatus.IDLE:
                # The transaction is lost and has to be run again, see `failures.is_repeatable`.
                raise
        return self._execute(statement, sent)

    def _execute(self, statement: Statement, sent: Any) -> PGresult:
        name = self._name_of(statement)
        try:
            if name:
                result = self._pgconn.exec_prepared(name, sent, None, Format.BINARY)
            else:
                result = self._pgconn.exec_params(statement.sql, sent, statement.types, None, Format.BINARY)
        except MemoryError:
            # libpq gives no result where it could not even send.
            raise self._broken() from None
        return self._done(result)

    def command(self, sql: bytes) -> PGresult:
        """The result of the last of one or more statements without values, sent as they are. Raises what psycopg would."""
        try:
            result = self._pgconn.exec_(sql)
        except MemoryError:
            raise self._broken() from None
        return self._done(result)

    def answer(self, sql: bytes) -> list[tuple[Any, ...]]:
        """The rows of the last of such statements."""
        return self.rows(self.command(sql))

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _name_of(self, statement: Statement) -> bytes | None:
        """Under which the statement is prepared; None where it was not asked for so often that it would be."""
        name = self._names.get(statement)
        if name is not None:
            self._names.move_to_end(statement)
            return name
        if not statement.is_prepared:
            return None
        runs = self._runs.pop(statement, 0)
        if runs >= PREPARE_AFTER:
            return self._prepare(statement)
        self._runs[statement] = runs + 1
        if len(self._runs) > _PREPARED_MAX:
            self._runs.popitem(last=False)
        return None

    def _prepare(self, statement: Statement) -> bytes:
        while len(self._names) >= _PREPARED_MAX:
            oldest = next(iter(self._names))
            self.command(b"DEALLOCATE " + self._names[oldest])
            del self._names[oldest]
        self._made += 1
        name = b"kehu_%d" % self._made
        try:
            self._done(self._pgconn.prepare(name, statement.sql, statement.types))
        except MemoryError:
            raise self._broken() from None
        self._names[statement] = name
        return name

    def _done(self, result: PGresult) -> PGresult:
        if result.status in _DONE:
            return result
        if self._pgconn.status == ConnStatus.BAD and not result.error_field(_SQLSTATE):
            raise self._broken()
        raise error_from_result(result, encoding="utf-8")

    def _broken(self) -> psycopg.OperationalError:
        return psycopg.OperationalError(self._pgconn.get_error_message())
