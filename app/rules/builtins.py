"""The functions of the language itself: lists, case and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, DateTime, and_, extract, false, func, true

from app.rules.catalogue import Entries, Expression, Function, Parameter, Range, Test
from app.rules.evaluation import Evaluation
from app.rules.lists import ListColumn
from app.rules.types import Type

_DAY_SECONDS = 86_400


def _now(evaluation: Evaluation) -> Expression:
    return evaluation.ago()


def _turns_now(since: datetime, now: datetime, against: Test | Range | None) -> Sequence[ColumnElement[bool]] | None:
    """Where the time lies that the present is compared with; also what was the present itself, which it equals no more."""
    if against is None or isinstance(against, Test):
        return None
    return [against(since - timedelta.resolution, now)]


def _days_since(evaluation: Evaluation, time: Expression) -> Expression:
    """Rounded down, also before zero: what is an hour ahead is -1 days ago."""
    return func.floor(extract("epoch", evaluation.ago() - time) / _DAY_SECONDS)


def _compare_days_since(evaluation: Evaluation, test: Test, time: Expression) -> ColumnElement[bool] | None:
    """As a range of the time itself, which an index serves: at least n days ago is what is not after now less n days."""
    days = _whole_days(test)
    if days is None:
        return None
    try:
        low, high = (None if bound is None else evaluation.ago(timedelta(days=bound)) for bound in days)
    except OverflowError:
        # Before the year 1, or after the year 9999.
        return None
    bounds = []
    if low is not None:
        bounds.append(time <= low)
    if high is not None:
        bounds.append(time > high)
    return and_(*bounds)


def _whole_days(test: Test) -> tuple[int | None, int | None] | None:
    """The whole numbers that pass: from the first on, and less than the second."""
    first = test.values[0]
    match test.operator:
        case ">=":
            return math.ceil(first), None
        case ">":
            return math.floor(first) + 1, None
        case "<":
            return None, math.ceil(first)
        case "<=":
            return None, math.floor(first) + 1
        case "BETWEEN":
            return math.ceil(first), math.floor(test.values[1]) + 1
        case "=" if isinstance(first, int):
            return first, first + 1
    return None


def _turns_days_since(since: datetime, now: datetime, against: Test | Range | None, time: Range) -> Sequence[ColumnElement[bool]] | None:
    """What became so many days old meanwhile, for every number of days at which the comparison turns."""
    if not isinstance(against, Test):
        return None
    found = []
    for days in _thresholds(against.operator, against.values[0]):
        # Before the year 1 and after the year 9999 there is no time.
        with suppress(OverflowError):
            found.append(time(since - timedelta(days=days), now - timedelta(days=days)))
    return found


def _thresholds(operator: str, number: int | Decimal) -> Sequence[int]:
    match operator:
        case ">=" | "<":
            return [math.ceil(number)]
        case ">" | "<=":
            return [math.floor(number) + 1]
    return [number, number + 1] if isinstance(number, int) else []


def _turns_daily(since: datetime, now: datetime, *_: object) -> Sequence[ColumnElement[bool]] | None:
    """Of the present: not before the day changes, which it does in UTC."""
    return [] if since.date() == now.date() else None


def _part(of: str) -> Callable[[Evaluation, Expression], Expression]:
    def value(_: Evaluation, time: Expression) -> Expression:
        # Of a timestamp, its day in UTC.
        return extract(of, func.timezone("UTC", time) if isinstance(time.type, DateTime) else time)

    return value


def _casei(_: Evaluation, text: Expression) -> Expression:
    return func.lower(text)


def _contains(_: Evaluation, column: ListColumn, values: Sequence[str]) -> ColumnElement[bool]:
    return column.contains(values) if values else true()


def _overlaps(_: Evaluation, column: ListColumn, values: Sequence[str]) -> ColumnElement[bool]:
    return column.overlaps(values) if values else false()


_LIST = Parameter(name="list", types=(Type.STRING_LIST, Type.EMAIL_LIST))
_VALUES = Parameter(name="values", types=(Type.STRING_LIST,), literal=True)
_DATE = Parameter(name="date", types=(Type.DATE, Type.TIMESTAMP))

ENTRIES = Entries(
    functions=(
        Function(
            name="casei",
            parameters=(Parameter(name="text", types=(Type.STRING, Type.EMAIL)),),
            result=Type.FOLDED,
            meaning="Text in lower case, as the database makes it (ß does not become ss); it stands on both sides of a comparison.",
            value=_casei,
        ),
        Function(
            name="a_contains",
            parameters=(_LIST, _VALUES),
            result=Type.BOOLEAN,
            meaning="Whether the list holds all of the values.",
            value=_contains,
        ),
        Function(
            name="a_overlaps",
            parameters=(_LIST, _VALUES),
            result=Type.BOOLEAN,
            meaning="Whether the list holds any of the values.",
            value=_overlaps,
        ),
        Function(
            name="now",
            parameters=(),
            result=Type.TIMESTAMP,
            meaning="The moment of the evaluation.",
            value=_now,
            nullable=False,
            uses_time=True,
            turns=_turns_now,
        ),
        Function(
            name="days_since",
            parameters=(Parameter(name="time", types=(Type.TIMESTAMP,)),),
            result=Type.INTEGER,
            meaning="Whole days of 24 hours since the time; null where there is none.",
            value=_days_since,
            compare=_compare_days_since,
            uses_time=True,
            turns=_turns_days_since,
        ),
        Function(
            name="month",
            parameters=(_DATE,),
            result=Type.INTEGER,
            meaning="The month, 1 to 12; of a timestamp in UTC.",
            value=_part("month"),
            turns=_turns_daily,
        ),
        Function(
            name="day",
            parameters=(_DATE,),
            result=Type.INTEGER,
            meaning="The day of the month, 1 to 31; of a timestamp in UTC.",
            value=_part("day"),
            turns=_turns_daily,
        ),
    )
)
