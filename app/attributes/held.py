"""The definitions that values are checked against, kept by the process between units of work.

Each unit is told the edition with the first row that it looks at, or in the round trip of its BEGIN. An edition stands for one set of
definitions and for no other, so what is held under the same id is what there is, however long ago it was read; and where nothing was ever
defined nothing is read.
"""

from __future__ import annotations

from uuid import UUID

from app.attributes import queries
from app.attributes.definition import NONE, Definitions
from app.db.unit_of_work import UnitOfWork

# The last ones, under their edition.
_held: dict[UUID, Definitions] = {}


def definitions(unit: UnitOfWork) -> Definitions:
    """As they were when `unit` began, or since. Their descriptions and what else is no part of the check may be older."""
    if unit.edition is None:
        return NONE
    held = _held.get(unit.edition)
    if held is None:
        held = queries.list_definitions_with_edition(unit.connection)
        if held.edition is not None:
            _held.clear()
            _held[held.edition] = held
    return held
