"""Numbers of a rule as bound parameters, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Numeric, literal

_INT64 = 2**63


def number(value: int | Decimal) -> ColumnElement[Any]:  # Any: a whole number or a numeric
    """As bigint where it fits, since an index over integers serves no numeric."""
    return literal(value, BigInteger()) if _fits(value) else literal(Decimal(value), Numeric())


def numbers(values: Sequence[int | Decimal]) -> ColumnElement[Any]:  # Any: an array of either
    """All in one parameter."""
    if all(_fits(value) for value in values):
        return literal(list(values), ARRAY(BigInteger()))
    return literal([Decimal(value) for value in values], ARRAY(Numeric()))


def _fits(value: int | Decimal) -> bool:
    return isinstance(value, int) and -_INT64 <= value < _INT64
