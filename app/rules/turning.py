"""For whom a rule may turn by time alone between two moments: a condition for each of its thresholds, which an index can serve.

Members and others turn alike, so what is sought are rows near a threshold, whatever the rest of the rule says of them: who is found may
have turned, who is not found has not. What has no threshold, such as `days_since(a) > days_since(b)`, is evaluated at both moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, literal, true

from app.db.columns import Timestamp
from app.rules import compiling, tree
from app.rules.catalogue import Checked, Range, Test

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

# A comparison of two values; BETWEEN and IN are several.
_Pair = tuple[str, tree.Scalar, tree.Scalar]


def turned(checked: Checked, *, since: datetime, now: datetime) -> list[ColumnElement[bool]]:
    """Conditions of which at least one is true for every row that matches at one of the moments and not at the other.

    Each for a statement of its own: all in one would be served by no index. Empty where nothing can have turned.
    """
    return list(_Turning(checked, since, now).condition(checked.rule))


@dataclass(frozen=True, slots=True)
class _Turning:
    checked: Checked
    since: datetime
    now: datetime

    def condition(self, node: tree.Condition) -> Iterator[ColumnElement[bool]]:
        match node:
            case tree.And(conditions=found) | tree.Or(conditions=found):
                for one in found:
                    yield from self.condition(one)
            case tree.Not(condition=inner):
                yield from self.condition(inner)
            case tree.Truth() | tree.IsNull():
                return
            case _ if self.checked.in_time(node):
                yield from self._call(node) if isinstance(node, tree.Call) else self._compared(node)

    def _call(self, node: tree.Call) -> Iterator[ColumnElement[bool]]:
        stands_for = self.checked.catalogue.function(node.function).stands_for
        if stands_for is None:
            yield self._evaluated_twice(node)
        elif (rule := stands_for(*map(_plain, node.arguments))) is not None:
            yield from turned(rule, since=self.since, now=self.now)

    def _compared(self, node: tree.Comparison | tree.Between | tree.Like | tree.In) -> Iterator[ColumnElement[bool]]:
        thresholds: list[ColumnElement[bool]] = []
        for operator, left, right in _pairs(node):
            for found in (self._value(left, operator, right), self._value(right, _MIRRORED[operator], left)):
                if found is None:
                    yield self._evaluated_twice(node)
                    return
                thresholds.extend(found)
        yield from (one for one in thresholds if one is not _NOWHERE)

    def _value(self, node: tree.Scalar, operator: str, other: tree.Scalar) -> Sequence[ColumnElement[bool]] | None:
        """Where `node`, compared with `other`, may turn; None where that is not known."""
        if not isinstance(node, tree.Call) or not self.checked.in_time(node):
            return []
        function = self.checked.catalogue.function(node.function)
        if function.turns is None or (function.uses_time and any(map(self.checked.in_time, node.arguments))):
            return None
        against = Test(operator, (other.value,)) if isinstance(other, tree.Number) else self._range(other)
        arguments = (
            _plain(argument) if parameter.literal else self._range(argument)
            for argument, parameter in zip(node.arguments, function.parameters, strict=True)
        )
        return function.turns(self.since, self.now, against, *arguments)

    def _range(self, node: tree.Scalar | tree.Items) -> Range | None:
        """Where the time that `node` is lies; None where it is no time, or one that is made from others."""
        match node:
            case tree.Moment(value=moment):
                return lambda low, high: _EVERYWHERE if low < moment <= high else _NOWHERE
            case tree.Property(name=name):
                time = self.checked.catalogue.name(name).sql
                elsewhere = self.checked.catalogue.ranges.get(name)
                return _lying(time, elsewhere)
        return None

    def _evaluated_twice(self, node: tree.Condition) -> ColumnElement[bool]:
        part = Checked(node, self.checked.catalogue)
        then, today = (func.coalesce(compiling.compile_rule(part, now=moment), false()) for moment in (self.since, self.now))
        return then.is_distinct_from(today)


_EVERYWHERE: ColumnElement[bool] = true()
_NOWHERE: ColumnElement[bool] = false()


def _lying(time: Any, elsewhere: Range | None) -> Range:  # Any: a column
    def lies(low: datetime, high: datetime, /) -> ColumnElement[bool]:
        here = and_(time > literal(low, Timestamp), time <= literal(high, Timestamp))
        return here if elsewhere is None else and_(here, elsewhere(low, high))

    return lies


def _pairs(node: tree.Comparison | tree.Between | tree.Like | tree.In) -> Iterator[_Pair]:
    match node:
        case tree.Comparison(operator=operator, left=left, right=right):
            yield ("=" if operator == "<>" else operator), left, right
        case tree.Between(value=value, low=low, high=high):
            yield from ((">=", value, low), ("<=", value, high))
        case tree.In(value=value, choices=choices):
            yield from (("=", value, item) for item in choices.items)
        case tree.Like(value=value, pattern=pattern):
            yield "=", value, pattern


def _plain(node: tree.AnyNode) -> Any:  # Any: what a literal stands for
    match node:
        case tree.Items(items=items):
            return [_plain(item) for item in items]
        case tree.Text(value=value) | tree.Number(value=value):
            return value
    return None
