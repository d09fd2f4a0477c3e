"""The definitions as one process knows them: read anew every time, and parsed and checked only when they have changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection

from app.attributes import queries as attribute_queries
from app.core.errors import Conflict, Outrun
from app.db.unit_of_work import UnitOfWork
from app.rules.catalogue import Catalogue
from app.segments import catalogue, queries
from app.segments.definition import STATIC, Definition
from app.segments.meaning import Meanings
from app.segments.worker.failing import Failing


@dataclass(frozen=True, slots=True)
class Rules:
    """All segments at one moment: those whose members follow from a rule, and those that nothing can be decided by at present."""

    dynamic: Mapping[UUID, Definition]
    static: Mapping[UUID, Definition]
    broken: Sequence[UUID]
    meanings: Meanings
    # The transaction that wrote the newest of them.
    xid: int


# By what rules are checked against: the edition of the attributes, and each definition's version and, which a restore resets, its fence.
_Edition = tuple[object, ...]


class Known:
    """Shared by the threads of a process."""

    def __init__(self, names: Catalogue) -> None:
        # Noted where a statement about them failed.
        self.failing = Failing()
        self._names = names
        self._lock = threading.Lock()
        self._read: tuple[_Edition, Rules] | None = None

    def read(self, db: Connection) -> Rules:
        """As they are now: what is read after this is never older."""
        definitions = queries.list_definitions(db)
        edition = (attribute_queries.get_edition(db), *((one.id, one.version, one.xid) for one in definitions))
        with self._lock:
            if self._read is None or self._read[0] != edition:
                self._read = (edition, _checked(db, self._names, definitions))
            return _without(self._read[1], self.failing.now())

    def read_within(self, unit: UnitOfWork) -> Rules:
        """As they are now, for a unit that tells of members. Raises Outrun where a later transaction wrote one, which the feed shows
        behind what this one tells."""
        rules = self.read(unit.connection)
        if rules.xid > unit.xid:
            raise Outrun
        return rules


def _without(rules: Rules, failing: Set[UUID]) -> Rules:
    if not failing:
        return rules
    dynamic = {one: definition for one, definition in rules.dynamic.items() if one not in failing}
    return replace(rules, dynamic=dynamic, broken=[*rules.broken, *(rules.dynamic.keys() & failing)])


def _checked(db: Connection, names: Catalogue, definitions: Sequence[Definition]) -> Rules:
    meanings = catalogue.meanings(db, names, definitions)
    dynamic: dict[UUID, Definition] = {}
    broken: list[UUID] = []
    for one in definitions:
        if one.kind == STATIC:
            continue
        try:
            meanings.checked(one.name)
        except Conflict:
            broken.append(one.id)
        else:
            dynamic[one.id] = one
    static = {one.id: one for one in definitions if one.kind == STATIC}
    return Rules(dynamic, static, broken, meanings, max((one.xid for one in definitions), default=0))
