"""Indexes over attributes that are wanted: built and dropped while customers are written, by whoever comes first.

What is there is asked of PostgreSQL itself, so an index that was broken off in the middle is seen, dropped and built again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import ARRAY, Connection, Text, bindparam, column, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.attributes import expressions, queries
from app.attributes.definition import Definition
from app.config import Config
from app.core import limits, logs
from app.db import failures, migrations

_log = logs.get(__name__)

_TABLE = "customers"
_PREFIX = f"ix_{_TABLE}_attribute_"
# Any number that is only ours: of several who would build the same, one does.
_ADVISORY_LOCK = 0x61747472

_ATTRIBUTES = column("attributes", JSONB)
_HOLDER = table(_TABLE, _ATTRIBUTES)

_FOUND = text(
    """
    SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = to_regclass(:holder) AND starts_with(c.relname, :prefix)
    """
).bindparams(holder=_TABLE, prefix=_PREFIX)
_STATES = text(
    "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = ANY (:names)"
).bindparams(bindparam("names", type_=ARRAY(Text)))


def index_name(definition: Definition) -> str:
    """The same for the same expression, and short enough for PostgreSQL."""
    said = f"{definition.name}:{definition.type}:{limits.ATTRIBUTE_INDEXED_TEXT_MAX}"
    return _PREFIX + hashlib.sha256(said.encode()).hexdigest()[:16]


def states(db: Connection, definitions: Iterable[Definition]) -> Mapping[str, str]:
    """By attribute: `none`, `building` or `ready`."""
    wanted = {definition.name: index_name(definition) for definition in definitions if definition.indexed}
    valid = {row.relname: row.indisvalid for row in db.execute(_STATES, {"names": list(wanted.values())})} if wanted else {}
    return {name: "ready" if valid.get(index) else "building" for name, index in wanted.items()}


def start(url: str, config: Config) -> threading.Thread:
    """Reconcile in a thread of its own, since an index over many customers takes longer than a request may."""
    thread = threading.Thread(target=_try, args=(url, config), name="attribute-indexes", daemon=True)
    thread.start()
    return thread


def reconcile(url: str, config: Config) -> None:
    """Build the indexes that are wanted and drop those that are not, without blocking writes. May take as long as it takes.

    Where somebody else is at it already, nothing: he looks again at the end. What fails is logged, and hinders nothing else.
    """
    with migrations.plain_connection(url, config) as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not autocommit.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}):
            return
        try:
            failed: set[str] = set()
            while step := next((one for one in _steps(autocommit) if one not in failed), None):
                if not _done(autocommit, step):
                    failed.add(step)
        finally:
            autocommit.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})


def _try(url: str, config: Config) -> None:
    try:
        reconcile(url, config)
    except failures.DATABASE_ERRORS as error:
        # The next definition, or the next `kehu migrate`, tries again.
        _log.warning("attribute_indexes", exc_info=error)


def _done(db: Connection, step: str) -> bool:
    try:
        db.exec_driver_sql(step)
    except failures.DATABASE_ERRORS as error:
        # Tried again at the next time.
        _log.warning("attribute_index", step=step, exc_info=error)
        return False
    return True


def _steps(db: Connection) -> Iterator[str]:
    """What has to be done, as all is now: first what was broken off is dropped, since it goes on refusing what it has no room for."""
    wanted = {index_name(one): one for one in queries.list_definitions(db).by_name.values() if one.indexed}
    found = {row.relname: row.indisvalid for row in db.execute(_FOUND)}
    for index, is_valid in found.items():
        if index not in wanted or not is_valid:
            yield f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"'
    for index, definition in wanted.items():
        if index not in found:
            yield _create(index, definition)


def _create(index: str, definition: Definition) -> str:
    """As SQL, since this statement takes no parameters: the attribute's name is a letter and letters, digits and `_`."""
    is_list = definition.type == "string_list"
    found = (
        expressions.json_list(_HOLDER.c.attributes, definition.name) if is_list else expressions.scalar(_HOLDER.c.attributes, definition)
    )
    compiled = found.compile(
        dialect=PGDialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy types it not
        compile_kwargs={"literal_binds": True, "include_table": False},
    )
    how = "USING gin" if is_list else "USING btree"
    keys = f"({compiled})" if is_list else f"({compiled}), id"
    return f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{index}" ON {_TABLE} {how} ({keys})'
