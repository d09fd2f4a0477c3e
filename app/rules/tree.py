"""The tree of a rule: what text and JSON both become. Each node knows where it stood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

# Where a node stood: its first character in the text, or its RFC 6901 pointer in the JSON. Of no account when trees are compared.
At: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Node:
    at: At = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Property(Node):
    """A name of the catalogue."""

    name: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """Exact; a whole number is always an int, so that 5 and 5.0 are one tree."""

    value: int | Decimal


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """TRUE or FALSE, as a value or as a condition of its own."""

    value: bool


@dataclass(frozen=True, slots=True)
class Day(Node):
    value: date


@dataclass(frozen=True, slots=True)
class Moment(Node):
    """In UTC."""

    value: datetime


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list in parentheses."""

    items: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, which gives a value or is a condition; its name in lower case."""

    function: str
    arguments: tuple[Scalar | Items, ...]


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`operator` is one of =, <>, <, <=, >, >=."""

    operator: str
    left: Scalar
    right: Scalar


@dataclass(frozen=True, slots=True)
class Between(Node):
    """Both bounds belong to it."""

    value: Scalar
    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Like(Node):
    """`%` any characters, `_` one, a backslash takes either literally."""

    value: Scalar
    pattern: Scalar


@dataclass(frozen=True, slots=True)
class In(Node):
    value: Scalar
    choices: Items


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    value: Scalar


@dataclass(frozen=True, slots=True)
class Not(Node):
    condition: Condition


@dataclass(frozen=True, slots=True)
class And(Node):
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    conditions: tuple[Condition, ...]


Scalar: TypeAlias = Property | Text | Number | Truth | Day | Moment | Call
Condition: TypeAlias = And | Or | Not | Comparison | Between | Like | In | IsNull | Call | Truth
AnyNode: TypeAlias = Scalar | Condition | Items

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def joined(kind: type[And] | type[Or], at: At, conditions: tuple[Condition, ...]) -> Condition:
    """`conditions` under one AND or OR: those of the same kind inside are taken up into it, since grouping them says nothing."""
    flat: list[Condition] = []
    for condition in conditions:
        flat.extend(condition.conditions if isinstance(condition, kind) else (condition,))
    return flat[0] if len(flat) == 1 else kind(at, tuple(flat))


def children(node: AnyNode) -> tuple[AnyNode, ...]:
    """What stands directly below `node`, in the order of the text."""
    match node:
        case And(conditions=found) | Or(conditions=found):
            return found
        case Not(condition=one):
            return (one,)
        case Comparison(left=left, right=right):
            return (left, right)
        case Between(value=value, low=low, high=high):
            return (value, low, high)
        case Like(value=value, pattern=pattern):
            return (value, pattern)
        case In(value=value, choices=choices):
            return (value, choices)
        case IsNull(value=value):
            return (value,)
        case Call(arguments=arguments):
            return arguments
        case Items(items=items):
            return items
    return ()


def walk(root: AnyNode) -> Iterator[AnyNode]:
    """Every node, each before what is below it; without recursion, so for trees of any depth."""
    waiting: list[AnyNode] = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))
