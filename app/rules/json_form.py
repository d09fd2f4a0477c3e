"""From a rule's JSON (CQL2 JSON, OGC 21-065r2, a subset) to its tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import jiter

from app.core import limits
from app.rules import lexer, literals, printing, size
from app.rules.errors import RuleError, shown
from app.rules.tree import (
    COMPARISONS,
    And,
    Between,
    Call,
    Comparison,
    Condition,
    In,
    IsNull,
    Items,
    Like,
    Not,
    Or,
    Property,
    Scalar,
    Truth,
    joined,
)

# Any: JSON, its numbers as int and Decimal.

# How many arguments each operator has; AND and OR have as many as there are.
_ARITY: Mapping[str, int] = {**dict.fromkeys(COMPARISONS, 2), "not": 1, "between": 3, "like": 2, "in": 2, "isNull": 1}

_CONDITION = 'Expected a condition: an object with `op` and `args`, such as {"op": "=", "args": [{"property": "country"}, "CN"]}.'
_VALUE = "Expected a value: text, a number, true or false, or an object with `property`, `date`, `timestamp`, or `op` and `args`."


def parse(value: Any) -> Condition:
    """The tree of `value`; its names are not looked up yet. Raises RuleError with the pointer of the first thing that is wrong."""
    _check_size(value)
    rule = _condition(value, "")
    size.check(rule)
    # What is taken in one form can be sent back in the other.
    text = printing.text(rule)
    if len(text) > limits.RULE_TEXT_MAX:
        raise RuleError.one("", "too_long", size.TOO_LONG)
    try:
        lexer.count(text)
    except RuleError as error:
        raise RuleError.one("", error.faults[0].code, error.faults[0].detail) from error
    return rule


def read(raw: bytes) -> Condition:
    """The tree of JSON in bytes that were written by us. Raises RuleError, and ValueError where it is no JSON."""
    return parse(jiter.from_json(raw, allow_inf_nan=False, float_mode="decimal"))


def _condition(value: Any, at: str) -> Condition:
    if isinstance(value, bool):
        return Truth(at, value)
    operator = _operator(value)
    if operator is None:
        raise RuleError.one(at, "syntax", _CONDITION)
    _check_members(value, at, ("op", "args"))
    arguments = _arguments(value, at, operator)
    below = f"{at}/args"
    match operator:
        case "and" | "or":
            kind = And if operator == "and" else Or
            return joined(kind, at, tuple(_condition(one, f"{below}/{index}") for index, one in enumerate(arguments)))
        case "not":
            return Not(at, _condition(arguments[0], f"{below}/0"))
        case "between":
            value, low, high = (_scalar(one, f"{below}/{index}") for index, one in enumerate(arguments))
            return Between(at, value, low, high)
        case "like":
            return Like(at, _scalar(arguments[0], f"{below}/0"), _scalar(arguments[1], f"{below}/1"))
        case "in":
            return In(at, _scalar(arguments[0], f"{below}/0"), _items(arguments[1], f"{below}/1"))
        case "isNull":
            return IsNull(at, _scalar(arguments[0], f"{below}/0"))
    if operator in COMPARISONS:
        return Comparison(at, operator, _scalar(arguments[0], f"{below}/0"), _scalar(arguments[1], f"{below}/1"))
    return _call(operator, arguments, at)


def _scalar(value: Any, at: str) -> Scalar:
    if isinstance(value, bool):
        return Truth(at, value)
    if isinstance(value, str):
        return literals.text_literal(at, value)
    if isinstance(value, int | Decimal):
        return literals.number(at, value)
    if isinstance(value, float):
        raise TypeError("the JSON of a rule is read with exact numbers")
    if value is None:
        raise RuleError.one(at, "syntax", "null is not compared; use the operator isNull.")
    for name, make in _OBJECTS.items():
        if isinstance(value, dict) and name in value:
            _check_members(value, at, (name,))
            if not isinstance(value[name], str) or not value[name]:
                raise RuleError.one(f"{at}/{name}", "wrong_type", "This has to be text.")
            return make(at, value[name])
    operator = _operator(value)
    if operator is None or operator in _ARITY or operator in ("and", "or"):
        raise RuleError.one(at, "syntax", _VALUE)
    _check_members(value, at, ("op", "args"))
    return _call(operator, _arguments(value, at, operator), at)


_OBJECTS: Mapping[str, Callable[[str, str], Scalar]] = {"property": Property, "date": literals.day, "timestamp": literals.moment}


def _call(function: str, arguments: list[Any], at: str) -> Call:
    found = (
        _items(one, f"{at}/args/{index}") if isinstance(one, list) else _scalar(one, f"{at}/args/{index}")
        for index, one in enumerate(arguments)
    )
    return Call(at, function.lower(), tuple(found))


def _items(value: Any, at: str) -> Items:
    if not isinstance(value, list):
        raise RuleError.one(at, "syntax", "Expected a list.")
    if len(value) > limits.RULE_LIST_MAX:
        raise RuleError.one(at, "wrong_count", size.TOO_LONG_LIST)
    return Items(at, tuple(_scalar(one, f"{at}/{index}") for index, one in enumerate(value)))


def _operator(value: Any) -> str | None:
    operator = value.get("op") if isinstance(value, dict) else None
    return operator if isinstance(operator, str) else None


def _arguments(value: dict[str, Any], at: str, operator: str) -> list[Any]:
    arguments = value.get("args")
    if not isinstance(arguments, list):
        raise RuleError.one(f"{at}/args" if "args" in value else at, "syntax", "Expected `args`, a list.")
    wanted = _ARITY.get(operator)
    if wanted is not None and len(arguments) != wanted:
        raise RuleError.one(f"{at}/args", "wrong_count", f"`{operator}` takes {wanted} arguments, not {len(arguments)}.")
    if operator in ("and", "or") and not arguments:
        raise RuleError.one(f"{at}/args", "wrong_count", f"`{operator}` takes at least one condition.")
    if len(arguments) > limits.RULE_NODES_MAX:
        raise RuleError.one(f"{at}/args", "rule_too_large", size.TOO_LARGE)
    return arguments


def _check_members(value: dict[str, Any], at: str, known: tuple[str, ...]) -> None:
    for name in value:
        if name not in known:
            pointer = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
            raise RuleError.one(pointer, "unknown_field", f"There is no `{shown(name)}` here, only {' and '.join(known)}.")


def _check_size(value: Any) -> None:
    """Before anything recurses over it or makes nodes of it."""
    level: list[tuple[str, Any]] = [("", value)]
    counted = 0
    for _ in range(limits.RULE_NESTING_MAX):
        below: list[tuple[str, Any]] = []
        for at, one in level:
            counted += len(one) if isinstance(one, dict | list) else 1
            if counted > limits.RULE_WORDS_MAX:
                raise RuleError.one(at, "rule_too_large", size.TOO_LARGE)
            if isinstance(one, dict):
                below.extend((f"{at}/{name}", item) for name, item in one.items() if isinstance(item, dict | list))
            elif isinstance(one, list):
                below.extend((f"{at}/{index}", item) for index, item in enumerate(one) if isinstance(item, dict | list))
        if not below:
            return
        level = below
    raise RuleError.one(level[0][0], "rule_too_deep", size.TOO_DEEP)
