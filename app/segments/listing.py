"""Segments as they are shown: the definition, its rule in both forms, and what the worker says of its members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, Row

from app.core.errors import NotFound
from app.rules import printing, text
from app.rules.errors import RuleError
from app.segments import queries
from app.segments.definition import Definition
from app.segments.models import Segment

# Any: columns of rows.

CURRENT = "current"
FILLING = "filling"
STATES = (CURRENT, FILLING)

SORTS: Mapping[str, Any] = {"created_at": Segment.created_at, "updated_at": Segment.updated_at, "name": Segment.name}

_COLUMNS = tuple(field.name for field in fields(Definition))


@dataclass(frozen=True, slots=True)
class Shown(Definition):
    """A definition, and of its members how many the worker knows of, and as of when; None while it fills them."""

    rule: orjson.Fragment | None
    state: str
    member_count: int | None
    evaluated_at: datetime | None

    @property
    def tag(self) -> str:
        """The inside of the ETag: behind the dot what is shown of the members, so that who asks whether it is still true is not told a
        former number."""
        return f"{self.version}.{0 if self.member_count is None else self.member_count + 1}"


def get(db: Connection, *, segment_id: UUID) -> Shown:
    """Raises NotFound."""
    row = queries.get_shown_by_id(db, segment_id)
    if row is None:
        raise NotFound
    return _shown(row)


def list_page(db: Connection, *, kind: str | None, name: str | None, sort: str, after: tuple[Any, UUID] | None, count: int) -> list[Shown]:
    """At most `count` segments behind `after`."""
    column, descending = SORTS[sort.removeprefix("-")], sort.startswith("-")
    rows = queries.list_shown(db, kind=kind, name=name, column=column, descending=descending, after=after, count=count)
    return [_shown(row) for row in rows]


def _shown(row: Row[Any]) -> Shown:
    filling = row.is_filling
    return Shown(
        **{name: getattr(row, name) for name in _COLUMNS},
        rule=None if row.rule_text is None else _as_json(row.rule_text),
        state=FILLING if filling else CURRENT,
        member_count=None if filling else int(row.members),
        evaluated_at=None if filling else row.evaluated_at,
    )


@lru_cache(maxsize=1000)
def _as_json(rule_text: str) -> orjson.Fragment | None:
    """None where the language has become stricter since the rule was stored."""
    try:
        return orjson.Fragment(printing.json_bytes(text.parse(rule_text)))
    except RuleError:
        return None
