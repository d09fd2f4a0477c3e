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
from app.db.columns import Several
from app.db.copying import Copying
from app.db.prepared import Prepared
from app.db.unit_of_work import UnitOfWork

# Any: column values.

_KEY = ("source", "external_id")
_KEY_TYPES: Mapping[str, TypeEngine[Any]] = dict.fromkeys(_KEY, Several("text"))
_SENT = "unnest(:source, :external_id) AS sent (source, external_id)"
_IS_SENT = "k.source = sent.source AND k.external_id = sent.external_id"
_BY_KEY = itemgetter(0)


class KeyTable:
    """A table whose key is `source` and `external_id`, and whose other columns are the ids that these stand for. To be built once, at
    module level."""

    def __init__(self, table: Table) -> None:
        held = [column.name for column in table.c if column.name not in _KEY]
        columns = ", ".join((*_KEY, *held))
        # Key by key through the index, which a plan that was made while the table was small would not do.
        self._find = _prepared(
            f"""
            SELECT sent.number, {", ".join(f"found.{name}" for name in held)}
            FROM unnest(:source, :external_id) WITH ORDINALITY AS sent (source, external_id, number) CROSS JOIN LATERAL (
                SELECT {", ".join(held)} FROM {table.name} k WHERE {_IS_SENT} LIMIT 1
            ) AS found
            """
        )
        self._release = _prepared(f"DELETE FROM {table.name} k USING {_SENT} WHERE {_IS_SENT}")
        self._copy = Copying(table, (*_KEY, *held))
        self._claim = _prepared(
            f"""
            INSERT INTO {table.name} ({columns})
            SELECT {columns} FROM unnest({", ".join(f":{name}" for name in (*_KEY, *held))}) AS sent ({columns})
            ORDER BY source COLLATE "C", external_id COLLATE "C"
            ON CONFLICT (source, external_id) DO NOTHING
            """,
            held,
        )
        self._names = (*_KEY, *held)

    def find(self, db: Connection, keys: Collection[ExternalKey]) -> dict[ExternalKey, Sequence[UUID]]:
        """What each of them stands for, where it stands for something: the columns behind the key, in their order."""
        if not keys:
            return {}
        # Told by number, since what was sent need not be read again.
        sent = list(keys)
        return {sent[number - 1]: held for number, *held in self._find.all(db, _columns(_KEY, sent))}

    def release(self, db: Connection, keys: Collection[ExternalKey]) -> None:
        if keys:
            self._release.run(db, _columns(_KEY, keys))

    def claim(self, unit: UnitOfWork, held: Mapping[ExternalKey, Sequence[UUID]]) -> None:
        """Take external ids that nobody has. Waits for others who are claiming the same. Raises Outrun where somebody has one.

        Sorted, as the database sorts them too, so that two who claim the same ids wait for each other in one order.
        """
        if not held:
            return
        rows = [(*key, *ids) for key, ids in sorted(held.items(), key=_BY_KEY)]
        if unit.contended:
            if self._claim.run(unit.connection, _columns(self._names, rows)) != len(rows):
                raise Outrun
            return
        # Nearly always nobody has one, and COPY costs the server little more than half. Where it fails, which on Citus has a code of its
        # own, nothing is concluded: the repeat finds out.
        try:
            unit.copy(self._copy, self._copy.texts(rows))
            unit.end_copy()
        except (psycopg.IntegrityError, psycopg.InternalError) as error:
            raise Outrun from error


def _prepared(statement: str, held: Iterable[str] = ()) -> Prepared:
    types = {**_KEY_TYPES, **dict.fromkeys(held, Several("uuid"))}
    return Prepared(text(statement).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items())))


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))
