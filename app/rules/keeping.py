"""Statements with a rule in them, kept from one evaluation to the next: to make one takes longer than most pages take to be read.

A statement is kept under the rule and the edition of what it was held against, so that it is found only while all of that is the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select

from app.db.prepared import Prepared
from app.rules import compiling
from app.rules.catalogue import Checked
from app.rules.evaluation import Evaluation

# Any: columns of rows.

# For a shape, and a rule: the statement.
Build = Callable[[Any, ColumnElement[bool]], Select[Any]]

_MOST = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement, and what lies between the moment of an evaluation and the times in it, by their names."""

    statement: Prepared
    moments: Mapping[str, timedelta]

    def moments_at(self, now: datetime) -> dict[str, datetime]:
        return {name: now - ago for name, ago in self.moments.items()}


_lock = threading.Lock()
# The last ones asked for.
_kept: OrderedDict[Hashable, Kept] = OrderedDict()


def statement(build: Build, shape: Hashable, checked: Checked, *, now: datetime) -> Kept:
    """What `build` makes for `shape` and the rule, for any moment: `now` only says which times there can be."""
    key = (build, shape, checked.rule, checked.catalogue.edition)
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
            return found
    moments: dict[timedelta, str] = {}
    rule = compiling.compile_part(checked, Evaluation(now, moments=moments))
    made = Kept(Prepared(build(shape, rule)), {name: ago for ago, name in moments.items()})
    with _lock:
        _kept[key] = made
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return made
