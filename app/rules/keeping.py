"""Statements with a rule in them, kept from one evaluation to the next: to make one takes longer than most pages take to be read.

A statement is kept under the rule and the edition of what it was held against, so that it is found only while all of that is the same.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property, partial
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, false, func

from app.db import planning
from app.db.planning import Expected, PlannedAnew
from app.db.prepared import Prepared
from app.db.wire import PREPARE_AFTER
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
    # The shape of the first page, for which it is decided how all pages are found: the last ones are cheap by any way.
    first: Hashable
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement, and what lies between the moment of an evaluation and the times in it, by their names."""

    statement: Prepared
    moments: Mapping[str, timedelta]

    def moments_at(self, now: datetime) -> dict[str, datetime]:
        return {name: now - ago for name, ago in self.moments.items()}


class _Forms:
    """The statements that find the same by other ways."""

    def __init__(self, build: Callable[[ColumnElement[bool]], Select[Any]], some: _Compiled, once: _Compiled | None) -> None:
        self._build = build
        self._some = some
        self._once = once
        # How often it was sent without a word of the planner's.
        self.runs = 0
        # The way that was cheapest by the planner's last word, what it expected of it, and how long the word is good for.
        self.way = _Way.SOME
        self.cost = 0.0
        self.asked_until = float("-inf")
        # The values that narrowed the list beside the rule: those who have a rare tag are found otherwise than those with a frequent one.
        self.asked_with: Mapping[str, Any] = {}

    @property
    def has_once(self) -> bool:
        return self._once is not None

    @cached_property
    def some(self) -> Kept:
        """Planned for the values each time: a plan for any expects one in two hundred of a tag, and of a span of time."""
        return self._kept(PlannedAnew, self._some, self._some.rule)

    @cached_property
    def once(self) -> Kept:
        """What is made for all rows is made once, where `some` looks it up for each."""
        assert self._once is not None
        return self._kept(PlannedAnew, self._once, self._once.rule)

    @cached_property
    def walk(self) -> Kept:
        """Row by row in the order of the page, for any values: inside of a COALESCE no index is looked for, nor does what is expected of
        the values count. It finds the same, since NULL selects as little as false."""
        return self._kept(Prepared, self._some, func.coalesce(self._some.rule, false()))

    def by(self, way: _Way) -> Kept:
        if way is _Way.WALK:
            return self.walk
        return self.once if way is _Way.ONCE else self.some

    def _kept(self, kind: type[Prepared], compiled: _Compiled, rule: ColumnElement[bool]) -> Kept:
        return Kept(kind(self._build(rule)), {name: ago for ago, name in compiled.moments.items()})


class _Way(Enum):
    """Of finding a page, as `_Forms` has statements for each."""

    SOME = "some"
    ONCE = "once"
    WALK = "walk"


_lock = threading.Lock()
# The last ones asked for.
_kept: OrderedDict[Hashable, _Forms] = OrderedDict()


def statement(db: Connection, page: Page, checked: Checked, *, now: datetime) -> Kept:
    """The one to be sent for `page`: of those that there are, the one that seems cheapest."""
    forms = _forms(page, page.shape, checked, now)
    first = forms if page.shape == page.first else _forms(page, page.first, checked, now)
    beside = {name: value for name, value in page.values.items() if not name.startswith(_PLACE)}
    if not first.has_once and (beside or first.runs < PREPARE_AFTER):
        first.runs += 1
        return forms.some
    if time.monotonic() > first.asked_until or beside != first.asked_with:
        first.asked_with = beside
        first.way, first.cost = _cheapest(db, page, first, now, beside)
        first.asked_until = time.monotonic() + _ASKED_FOR_SECONDS
    # Of the last pages of a list the rows that are left may be few.
    if first.way is _Way.ONCE and forms is not first and _expected(db, page, forms.some, now).cost <= first.cost:
        return forms.some
    return forms.by(first.way)


def _cheapest(db: Connection, page: Page, first: _Forms, now: datetime, beside: Mapping[str, Any]) -> tuple[_Way, float]:
    some = _expected(db, page, first.some, now)
    once = _expected(db, page, first.once, now).cost if first.has_once else inf
    if once < some.cost:
        return _Way.ONCE, once
    # What narrows beside the rule may be found by an index, which has to be decided for its values.
    return _Way.WALK if some.is_walk and not beside else _Way.SOME, some.cost


def _expected(db: Connection, page: Page, one: Kept, now: datetime) -> Expected:
    return planning.expected(db, one.statement, {**page.values, **one.moments_at(now)})


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
    return _Forms(partial(page.build, shape), some, None if some.rule.compare(once.rule) else once)


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: ColumnElement[bool]
    moments: Mapping[timedelta, str]


def _compiled(checked: Checked, now: datetime, reach: Reach) -> _Compiled:
    moments: dict[timedelta, str] = {}
    return _Compiled(compiling.compile_part(checked, Evaluation(now, reach, moments)), moments)
