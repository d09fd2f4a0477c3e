"""What a rule means, written down a second time, slowly and without SQL.

A row is a customer as a dictionary of its columns and of `entries`, its interactions, each a dictionary of its own columns; for rules
about interactions it is such a dictionary itself.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.core import contact_points
from app.core.faults import Fault
from app.rules import tree

Row = Mapping[str, Any]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(rule: tree.Condition, row: Row, *, now: datetime) -> bool:
    match rule:
        case tree.And(conditions=found):
            return all(matches(one, row, now=now) for one in found)
        case tree.Or(conditions=found):
            return any(matches(one, row, now=now) for one in found)
        case tree.Not(condition=one):
            return not matches(one, row, now=now)
        case tree.Truth(value=value):
            return value
        case tree.IsNull(value=value):
            return _value(value, row, now) in (None, [])
        case tree.Comparison(operator=sign, left=left, right=right):
            return _compare(sign, *_alike([left, right], row, now))
        case tree.Between(value=value, low=low, high=high):
            found = _alike([value, low, high], row, now)
            return _compare(">=", found[0], found[1]) and _compare("<=", found[0], found[2])
        case tree.In(value=value, choices=choices):
            first, *others = _alike([value, *choices.items], row, now)
            return any(_compare("=", first, other) for other in others)
        case tree.Like(value=value, pattern=pattern):
            return _like(_value(value, row, now), _pattern(value, pattern, row, now))
        case tree.Call(function=function, arguments=(column, tree.Items(items=items))):
            wanted = [item.value for item in items]
            held = _value(column, row, now) or []
            if isinstance(column, tree.Property) and column.name == "alternate_emails":
                wanted, held = [one.lower() for one in wanted], [one.lower() for one in held]
            return set(wanted) <= set(held) if function == "a_contains" else bool(set(wanted) & set(held))
    raise AssertionError(rule)


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign == "<>":
        return not _compare("=", left, right)
    return left is not None and right is not None and _ORDERS[sign](left, right)


def _alike(nodes: list[Any], row: Row, now: datetime) -> list[Any]:
    """The values of `nodes`, texts among them as what they are compared with is kept."""
    values = [_value(node, row, now) for node in nodes]
    if any(isinstance(node, tree.Property) and node.name == "email" for node in nodes):
        return [_email(value) if isinstance(node, tree.Text) else value for node, value in zip(nodes, values, strict=True)]
    if any(isinstance(node, tree.Property) and node.name in ("id", "organization_id", "customer_id") for node in nodes):
        return [None if value is None else str(value) for value in values]
    return values


def _email(text: str) -> str:
    try:
        return contact_points.email_key(contact_points.normalise_email(text))
    except Fault:
        return contact_points.email_key(text)


def _value(node: Any, row: Row, now: datetime) -> Any:
    match node:
        case tree.Property(name=name):
            return _column(name, row)
        case tree.Call(function="now"):
            return now
        case tree.Call(function="casei", arguments=(one,)):
            text = _value(one, row, now)
            return None if text is None else text.lower()
        case tree.Call(function="days_since", arguments=(one,)):
            time = _value(one, row, now)
            return None if time is None else (now - time) // timedelta(days=1)
        case tree.Call(function=("month" | "day") as part, arguments=(one,)):
            day = _value(one, row, now)
            day = day.astimezone(UTC) if isinstance(day, datetime) else day
            return None if day is None else getattr(day, part)
        case tree.Call(
            function=("contact_count" | "order_total") as function, arguments=(tree.Text(value=wanted), tree.Number(value=days))
        ):
            recent = [one for one in row["entries"] if one["deleted_at"] is None and one["occurred_at"] > now - timedelta(days=int(days))]
            if function == "contact_count":
                return sum(one["kind"] == wanted for one in recent)
            orders = [one for one in recent if one["kind"] == "order" and one["currency"] == wanted and one["amount"] is not None]
            return sum((Decimal(one["amount"]) for one in orders), Decimal(0))
    return node.value


def _column(name: str, row: Row) -> Any:
    if name == "email":
        return None if row["email"] is None else contact_points.email_key(row["email"])
    if name == "amount":
        return None if row["amount"] is None else Decimal(row["amount"])
    if name.startswith("external_ids."):
        return row["external_ids"].get(name.removeprefix("external_ids."))
    if name.startswith("metrics.order_total."):
        total = row["order_total"].get(name.removeprefix("metrics.order_total."))
        return None if total is None else Decimal(total)
    if name.startswith("addresses."):
        part = name.removeprefix("addresses.")
        return [address[part] for address in row["addresses"]]
    return row[name.removeprefix("metrics.")]


def _pattern(value: Any, pattern: Any, row: Row, now: datetime) -> str:
    text: str = _value(pattern, row, now)
    return contact_points.email_key(text) if isinstance(value, tree.Property) and value.name == "email" else text


def _like(value: str | None, pattern: str) -> bool:
    if value is None:
        return False
    expression = ""
    taken = False
    for char in pattern:
        if taken:
            expression += re.escape(char)
            taken = False
        elif char == "\\":
            taken = True
        else:
            expression += {"%": ".*", "_": "."}.get(char, re.escape(char))
    return re.fullmatch(expression, value, re.DOTALL) is not None
