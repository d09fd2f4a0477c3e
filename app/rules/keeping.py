"""Statements with a rule in them, kept from one evaluation to the next: to make one takes longer than most pages take to be read.

A statement is kept under the rule and the edition of what it was held against, so that it is found only while all of that is the same.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select

from app.db import planning
from app.db.planning import PlannedAnew
from app.db.prepared import Prepared
from app.rules import compiling
from app.rules.catalogue import Checked
from app.rules.evaluation import Evaluation, Reach

# Any: columns of rows.

# For a shape, and a rule: the statement.
Build = Callable[[Any, ColumnElement[bool]], Select[Any]]

_MOST = 200
# Tables grow, and what was cheap is dear one day.
_ASKED_FOR_SECONDS = 60.0
# How the values begin that say where a page begins.
_PLACE = "after_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is asked for: what `build` makes for `shape` and a rule, with `values` in its places."""

    build: Build
    shape: Hashable
    # The shape of the first page, for which it is decided how all of a walk are found: the last ones are cheap by any way.
    first: Hashable
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement, and what lies between the moment of an evaluation and the times in it, by their names."""

    statement: Prepared
    moments: Mapping[str, timedelta]

    def moments_at(self, now: datetime) -> dict[str, datetime]:
        return {name: now - ago for name, ago in self.moments.items()}


@dataclass(slots=True)
class _Forms:
    """The statements that find the same by other ways: what is made for all rows is looked up for some, or made once."""

    some: Kept
    # None: there is no such thing in the rule.
    once: Kept | None = None
    # What the planner expected of either, the last time.
    costs: tuple[float, float] = (0, 0)
    asked_until: float = float("-inf")
    # The values that narrowed the list beside the rule: those who have a rare tag are found otherwise than those with a frequent one.
    asked_with: Mapping[str, Any] = field(default_factory=dict)


_lock = threading.Lock()
# The last ones asked for.
_kept: OrderedDict[Hashable, _Forms] = OrderedDict()


def statement(db: Connection, page: Page, checked: Checked, *, now: datetime) -> Kept:
    """The one to be sent for `page`: where there are two, the one that seems cheaper."""
    forms = _forms(page, page.shape, checked, now)
    if forms.once is None:
        return forms.some
    first = _forms(page, page.first, checked, now)
    beside = {name: value for name, value in page.values.items() if not name.startswith(_PLACE)}
    if first.once is not None and (time.monotonic() > first.asked_until or beside != first.asked_with):
        first.asked_with = beside
        first.costs = (_cost(db, page, first.some, now), _cost(db, page, first.once, now))
        first.asked_until = time.monotonic() + _ASKED_FOR_SECONDS
    some, once = first.costs
    if some <= once:
        return forms.some
    # From the last rows of a walk on there is nothing left that would take long.
    is_last = page.shape != page.first and _cost(db, page, forms.some, now) <= once
    return forms.some if is_last else forms.once


def _cost(db: Connection, page: Page, one: Kept, now: datetime) -> float:
    return planning.cost(db, one.statement, {**page.values, **one.moments_at(now)})


def _forms(page: Page, shape: Hashable, checked: Checked, now: datetime) -> _Forms:
    """For any moment: `now` only says which times there can be."""
    key = (page.build, shape, checked.rule, checked.catalogue.edition)
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
            return found
    made = _made(page, shape, checked, now)
    with _lock:
        _kept[key] = made
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return made


def _made(page: Page, shape: Hashable, checked: Checked, now: datetime) -> _Forms:
    some, once = _compiled(checked, now, Reach.SOME), _compiled(checked, now, Reach.ONCE)
    kept = partial(_finished, page, shape)
    return _Forms(kept(some)) if some.rule.compare(once.rule) else _Forms(kept(some), kept(once))


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: ColumnElement[bool]
    moments: Mapping[timedelta, str]


def _compiled(checked: Checked, now: datetime, reach: Reach) -> _Compiled:
    moments: dict[timedelta, str] = {}
    return _Compiled(compiling.compile_part(checked, Evaluation(now, reach, moments)), moments)


def _finished(page: Page, shape: Hashable, compiled: _Compiled) -> Kept:
    return Kept(PlannedAnew(page.build(shape, compiled.rule)), {name: ago for ago, name in compiled.moments.items()})
