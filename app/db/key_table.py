"""The tables of external ids, many ids at a time: what they stand for, who takes them, and who gives them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Table, bindparam, text
from sqlalchemy.types import TypeEngine

from app.core.errors import Outrun
from app.core.syncing import ExternalKey
from app.db import failures
from app.db.columns import Ids, Several
from app.db.copying import Copying
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork

# Any: column values.

_KEY = ("source", "external_id")
_KEY_TYPES: Mapping[str, TypeEngine[Any]] = dict.fromkeys(_KEY, Several("text"))
_SENT = "unnest(:source, :external_id) AS sent (source, external_id)"
_IS_SENT = "k.source = sent.source AND k.external_id = sent.external_id"
_BY_KEY = itemgetter(0)
# From so many on COPY is worth its two round trips.
_COPIED = 20


class KeyTable:
    """A table whose key is `source` and `external_id`, and whose other columns are the ids that these stand for. To be built once, at
    module level."""

    def __init__(self, table: Table) -> None:
        ids = [column.name for column in table.c if column.name not in _KEY]
        self._names = (*_KEY, *ids)
        columns = ", ".join(self._names)
        # Key by key through the index, which a plan that was made while the table was small would not do.
        self._find = _prepared(
            f"""
            SELECT sent.number, {", ".join(f"found.{name}" for name in ids)}
            FROM unnest(:source, :external_id) WITH ORDINALITY AS sent (source, external_id, number) CROSS JOIN LATERAL (
                SELECT {", ".join(ids)} FROM {table.name} k WHERE {_IS_SENT} LIMIT 1
            ) AS found
            """
        )
        self._release = _prepared(f"DELETE FROM {table.name} k USING {_SENT} WHERE {_IS_SENT}")
        self._copy = Copying(table, self._names)
        self._claim = _prepared(
            f"""
            INSERT INTO {table.name} ({columns})
            SELECT {columns} FROM unnest({", ".join(f":{name}" for name in self._names)}) AS sent ({columns})
            ON CONFLICT (source, external_id) DO NOTHING
            """,
            ids,
        )

    def find(self, db: Connection, keys: Collection[ExternalKey]) -> dict[ExternalKey, Sequence[UUID]]:
        """What each of them stands for, where it stands for something: the columns behind the key, in their order."""
        if not keys:
            return {}
        # Told by number, since what was sent need not be read again.
        sent = list(keys)
        return {sent[number - 1]: ids for number, *ids in self._find.all(db, _columns(_KEY, sent))}

    def release(self, db: Connection, keys: Collection[ExternalKey]) -> None:
        if keys:
            self._release.run(db, _columns(_KEY, keys))

    def claim(self, unit: UnitOfWork, held: Mapping[ExternalKey, Sequence[UUID]]) -> None:
        """Take external ids that nobody has. Waits for others who are claiming the same. Raises Outrun where somebody has one.

        Sorted, as `app.customers.queries.claim_keys` does, so that two who claim the same ids wait for each other in one order.
        """
        if not held:
            return
        rows = [(*key, *ids) for key, ids in sorted(held.items(), key=_BY_KEY)]
        if unit.contended or len(rows) < _COPIED:
            if self._claim.run(unit.connection, _columns(self._names, rows)) != len(rows):
                raise Outrun
            return
        # What is wrong with other rows is not ours.
        unit.end_copy()
        # Nearly always nobody has one, and COPY costs the server little more than half. A failure decides nothing here, since Citus does
        # not say which it is: the repeat looks up who has what, and claims by what knows ON CONFLICT.
        try:
            unit.copy(self._copy, self._copy.texts(rows))
            unit.end_copy()
        except psycopg.Error as error:
            if not failures.may_be_taken(error):
                raise
            raise Outrun from error


def _prepared(statement: str, ids: Iterable[str] = ()) -> Prepared:
    types = {**_KEY_TYPES, **dict.fromkeys(ids, Ids)}
    return Prepared(text(statement).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items())))


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))
