"""A tree back to text and to JSON; what is read again gives the same tree."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import orjson

from app.core import times
from app.rules.lexer import KEYWORDS
from app.rules.tree import (
    And,
    AnyNode,
    Between,
    Call,
    Comparison,
    Condition,
    Day,
    In,
    IsNull,
    Items,
    Like,
    Moment,
    Not,
    Number,
    Or,
    Property,
    Text,
    Truth,
)

# Written in capitals, as the standard writes them.
_STANDARD = frozenset(("casei", "a_contains", "a_overlaps"))

_INT_END = 2**63

_PLAIN_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_.:]*\Z")


def text(node: AnyNode) -> str:
    """CQL2 text."""
    match node:
        case And(conditions=found):
            return " AND ".join(_grouped(one) if isinstance(one, Or) else text(one) for one in found)
        case Or(conditions=found):
            return " OR ".join(text(one) for one in found)
        case Not(condition=condition):
            return _negated(condition)
        case Comparison(operator=operator, left=left, right=right):
            return f"{text(left)} {operator} {text(right)}"
        case Between() | Like() | In() | IsNull():
            return _predicate(node, "")
        case Call(function=function, arguments=arguments):
            name = function.upper() if function in _STANDARD else function
            return f"{name}({', '.join(map(text, arguments))})"
        case Items(items=items):
            return f"({', '.join(map(text, items))})"
    return _value(node)


def to_json(node: AnyNode) -> Any:  # Any: JSON
    """CQL2 JSON, its numbers as int and Decimal; `json_bytes` writes it."""
    match node:
        case And(conditions=found):
            return {"op": "and", "args": [to_json(one) for one in found]}
        case Or(conditions=found):
            return {"op": "or", "args": [to_json(one) for one in found]}
        case Not(condition=condition):
            return {"op": "not", "args": [to_json(condition)]}
        case Comparison(operator=operator, left=left, right=right):
            return {"op": operator, "args": [to_json(left), to_json(right)]}
        case Between(value=value, low=low, high=high):
            return {"op": "between", "args": [to_json(value), to_json(low), to_json(high)]}
        case Like(value=value, pattern=pattern):
            return {"op": "like", "args": [to_json(value), to_json(pattern)]}
        case In(value=value, choices=choices):
            return {"op": "in", "args": [to_json(value), to_json(choices)]}
        case IsNull(value=value):
            return {"op": "isNull", "args": [to_json(value)]}
        case Call(function=function, arguments=arguments):
            return {"op": function, "args": [to_json(one) for one in arguments]}
        case Items(items=items):
            return [to_json(item) for item in items]
        case Property(name=name):
            return {"property": name}
        case Day(value=day):
            return {"date": day.isoformat()}
        case Moment(value=moment):
            return {"timestamp": times.format_timestamp(moment)}
        case Number(value=number):
            # orjson writes no int beyond 64 bits.
            return number if isinstance(number, Decimal) or abs(number) < _INT_END else Decimal(number)
        case Text(value=plain) | Truth(value=plain):
            return plain


def json_bytes(node: AnyNode) -> bytes:
    """CQL2 JSON, every number with all its digits."""
    return orjson.dumps(to_json(node), default=exact)


def exact(value: object) -> orjson.Fragment:
    """For orjson's `default`: a Decimal as a JSON number with all its digits."""
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _grouped(node: Condition) -> str:
    return f"({text(node)})"


def _negated(condition: Condition) -> str:
    if isinstance(condition, Between | Like | In | IsNull):
        return _predicate(condition, "NOT ")
    return f"NOT {_grouped(condition)}" if isinstance(condition, And | Or | Not) else f"NOT {text(condition)}"


def _predicate(node: Between | Like | In | IsNull, negation: str) -> str:
    value = text(node.value)
    match node:
        case Between(low=low, high=high):
            return f"{value} {negation}BETWEEN {text(low)} AND {text(high)}"
        case Like(pattern=pattern):
            return f"{value} {negation}LIKE {text(pattern)}"
        case In(choices=choices):
            return f"{value} {negation}IN {text(choices)}"
        case IsNull():
            return f"{value} IS {negation}NULL"


def _value(node: Property | Text | Number | Truth | Day | Moment) -> str:
    match node:
        case Property(name=name):
            is_plain = _PLAIN_NAME.match(name) and name.upper() not in KEYWORDS
            return name if is_plain else '"' + name.replace('"', '""') + '"'
        case Text(value=words):
            return "'" + words.replace("'", "''") + "'"
        case Number(value=number):
            return format(number, "f") if isinstance(number, Decimal) else str(number)
        case Truth(value=truth):
            return "TRUE" if truth else "FALSE"
        case Day(value=day):
            return f"DATE('{day.isoformat()}')"
        case Moment(value=moment):
            return f"TIMESTAMP('{times.format_timestamp(moment)}')"
