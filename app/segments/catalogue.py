"""Segments in the catalogue of rules: looked up for each rule that names one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Connection

from app.core.errors import NotFound
from app.rules.catalogue import Catalogue, Checked, Entries
from app.rules.tree import Condition
from app.segments import meaning, queries
from app.segments.definition import Definition
from app.segments.meaning import Meanings

# Any: what functions are given.


@dataclass(frozen=True, slots=True)
class SegmentNames:
    """Segments as a provider of `in_segment`; `below` is what their own rules may name beside other segments."""

    below: Catalogue

    def entries(self, db: Connection, rule: Condition) -> Entries:
        names = meaning.named(rule)
        if not names:
            return Entries()
        meanings = Meanings(queries.list_definitions_reached_by_name(db, names), lambda: queries.list_names(db))
        meanings.prepare(db, self.below)
        return Entries(functions=(meanings.function(meanings.weight(rule)),), edition=meanings.edition)


def with_segments(below: Catalogue) -> Catalogue:
    """`below`, and segments beside it."""
    shown = meaning.function(check=lambda _: None, value=_unnamed, nullable=False, uses_time=False)
    functions = {**below.functions, meaning.IN_SEGMENT: shown}
    return Catalogue(below.names, below.families, functions, (*below.providers, SegmentNames(below)), below.ranges)


def meanings(db: Connection, catalogue: Catalogue, definitions: Sequence[Definition]) -> Meanings:
    """What `definitions` mean, among which all are that they name."""
    found = Meanings(definitions, lambda: [one.name for one in definitions])
    found.prepare(db, _below(catalogue))
    return found


def member(db: Connection, catalogue: Catalogue, segment_id: UUID) -> tuple[Definition, Checked]:
    """The segment, and the rule that takes its members. Raises NotFound, and Conflict where its own rule is broken."""
    definitions = queries.list_definitions_reached_by_id(db, segment_id)
    definition = next((one for one in definitions if one.id == segment_id), None)
    if definition is None:
        raise NotFound
    return definition, meanings(db, catalogue, definitions).member(definition)


def _below(catalogue: Catalogue) -> Catalogue:
    return next(provider.below for provider in catalogue.providers if isinstance(provider, SegmentNames))


def _unnamed(*_: Any) -> NoReturn:
    raise AssertionError("a rule that names a segment has it from the provider")
