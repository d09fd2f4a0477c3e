"""Statements with their own values written into them: the plan that is made for one of them is made once, and for these values.

Of a value in a place PostgreSQL knows nothing when it makes a plan for any; and to make a plan for each run takes a tenth of the time of
a page.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from psycopg.adapt import PyFormat, Transformer
from sqlalchemy import LargeBinary
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg

from app.db.columns import to_json
from app.db.prepared import Prepared

# Everything that could mean something in a literal, and more.
_NOT_PLAIN = re.compile(r"[^0-9A-Za-z .:+-]")


def quoted(value: str) -> str:
    """As a literal. Of what the caller has written nothing but letters, digits and a few marks get into the statement as they are; the rest
    goes by its number, which means the same under every setting and encoding of the server."""
    return "E'" + _NOT_PLAIN.sub(lambda found: f"\\U{ord(found[0]):08x}", value) + "'"


class _Compiler(PGCompiler_psycopg):
    """Writes the values that a statement brings where other compilers leave places for them."""

    # Any: SQLAlchemy types none of it.
    def visit_bindparam(self, bindparam: Any, *arguments: Any, **options: Any) -> Any:
        # psycopg writes bytes as the settings of a connection ask for, of which there is none here.
        if bindparam.required or bindparam.expanding or isinstance(bindparam.type, LargeBinary):
            return super().visit_bindparam(bindparam, *arguments, **options)  # type: ignore[no-untyped-call]
        implementation = bindparam.type.dialect_impl(self.dialect)
        process = implementation.bind_processor(self.dialect)
        value = bindparam.value if process is None else process(bindparam.value)
        # The same text that would be sent for its place.
        (sent,) = Transformer().dump_sequence([value], [PyFormat.TEXT])
        literal = "NULL" if sent is None else quoted(bytes(sent).decode())
        return self.render_bind_cast(bindparam.type, implementation, literal)  # type: ignore[no-untyped-call]


class _Dialect(PGDialect_psycopg):
    statement_compiler = _Compiler
    # SQLAlchemy would look for one of its own.
    supports_statement_cache = True


_DIALECT = _Dialect(  # type: ignore[no-untyped-call]  # SQLAlchemy types it not
    json_serializer=to_json, json_deserializer=orjson.loads, paramstyle="numeric_dollar"
)


class Spelt(Prepared):
    """A statement that brings values which matter to its plan; places are left for the others, that do not."""

    dialect = _DIALECT
