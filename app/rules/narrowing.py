"""Rules that narrow lists: held against what they may name, and evaluated as at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from app.db.prepared import Prepared
from app.rules import compiling, keeping, reading
from app.rules.catalogue import Catalogue, Checked
from app.rules.keeping import Page
from app.rules.tree import Condition

# Any: column values.

_NOW = Prepared(select(func.now()))


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule, where it stood in the input, what it may name, and as at when it is evaluated; None: as at now."""

    rule: Condition
    pointer: str
    catalogue: Catalogue
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A rule that is sound, and the moment of its evaluation."""

    rule: Checked
    now: datetime

    def rows(self, db: Connection, page: Page) -> Sequence[Sequence[Any]]:
        kept = keeping.statement(db, page, self.rule, now=self.now)
        return kept.statement.all(db, {**page.values, **kept.moments_at(self.now)})

    @property
    def condition(self) -> ColumnElement[bool]:
        """For a page."""
        return compiling.compile_rule(self.rule, now=self.now)

    @property
    def condition_of_all(self) -> ColumnElement[bool]:
        """For a count, or an export."""
        return compiling.compile_rule_for_all(self.rule, now=self.now)


def narrowing(db: Connection, ruled: Ruled | None) -> Narrowing | None:
    """None where there is no rule. Raises Invalid where it is not sound."""
    if ruled is None:
        return None
    rule = reading.check(db, ruled.catalogue, ruled.rule, pointer=ruled.pointer)
    return begun(db, rule, now=ruled.now)


def begun(db: Connection, rule: Checked, *, now: datetime | None) -> Narrowing:
    """An evaluation of `rule` as at `now`; where that is None, a new one."""
    return Narrowing(rule, now or present(db, matters=rule.uses_time))


def present(db: Connection, *, matters: bool) -> datetime:
    """The moment of a new evaluation: by the database's clock where it matters, since hosts need not agree on theirs."""
    if not matters:
        return datetime.now(UTC)
    row = _NOW.one_or_none(db, {})
    assert row is not None
    now: datetime = row[0]
    return now
