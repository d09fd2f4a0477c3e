"""Protects the JSON form of rules: that whatever is no rule is told with its pointer, and that no bomb does harm."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from app.core import limits
from app.rules import json_form
from app.rules.errors import RuleError
from app.rules.tree import And, Comparison, Number, Property, Text, Truth

EQUAL = {"op": "=", "args": [{"property": "a"}, 1]}
A = Comparison("", "=", Property("", "a"), Number("", 1))


def fault(rule: Any) -> tuple[str, str]:
    with pytest.raises(RuleError) as raised:
        json_form.parse(rule)
    (found,) = raised.value.faults
    assert isinstance(found.at, str)
    return found.at, found.code


def chained(depth: int) -> Any:
    rule: Any = EQUAL
    for _ in range(depth):
        rule = {"op": "not", "args": [rule]}
    return rule


class TestConstructs:
    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (True, Truth("", True)),
            (EQUAL, A),
            ({"op": "and", "args": [EQUAL]}, A),
            ({"op": "and", "args": [EQUAL, {"op": "and", "args": [EQUAL, EQUAL]}]}, And("", (A, A, A))),
            ({"op": "=", "args": [{"property": "a"}, Decimal("1.0")]}, A),
            ({"op": "=", "args": [{"property": "a"}, Decimal("0.10")]}, Comparison("", "=", Property("", "a"), Number("", Decimal("0.1")))),
            ({"op": "=", "args": [{"property": "a"}, "e\u0301"]}, Comparison("", "=", Property("", "a"), Text("", "\u00e9"))),
        ],
    )
    def test_each_construct_becomes_its_tree(self, rule: Any, expected: Any) -> None:
        assert json_form.parse(rule) == expected

    def test_every_node_knows_its_pointer(self) -> None:
        rule = json_form.parse({"op": "or", "args": [EQUAL, {"op": "=", "args": [{"property": "b"}, 2]}]})

        second = rule.conditions[1]  # type: ignore[union-attr]
        assert (second.at, second.left.at, second.right.at) == ("/args/1", "/args/1/args/0", "/args/1/args/1")

    def test_a_float_is_no_number_of_ours(self) -> None:
        with pytest.raises(TypeError):
            json_form.parse({"op": "=", "args": [{"property": "a"}, 0.1]})


class TestFaults:
    @pytest.mark.parametrize(
        ("rule", "pointer", "code"),
        [
            (None, "", "syntax"),
            (5, "", "syntax"),
            ("a = 1", "", "syntax"),
            ([], "", "syntax"),
            ({}, "", "syntax"),
            ({"op": 5, "args": []}, "", "syntax"),
            ({"property": "a"}, "", "syntax"),
            ({"op": "="}, "", "syntax"),
            ({"op": "=", "args": {}}, "/args", "syntax"),
            ({"op": "=", "args": [1]}, "/args", "wrong_count"),
            ({"op": "=", "args": [1, 2, 3]}, "/args", "wrong_count"),
            ({"op": "and", "args": []}, "/args", "wrong_count"),
            ({"op": "and", "args": [5]}, "/args/0", "syntax"),
            ({"op": "not", "args": [EQUAL, EQUAL]}, "/args", "wrong_count"),
            ({"op": "=", "args": [{"property": "a"}, None]}, "/args/1", "syntax"),
            ({"op": "=", "args": [{"property": "a"}, EQUAL]}, "/args/1", "syntax"),
            ({"op": "=", "args": [{"property": "a"}, [1]]}, "/args/1", "syntax"),
            ({"op": "=", "args": [{"property": 5}, 1]}, "/args/0/property", "wrong_type"),
            ({"op": "=", "args": [{"property": ""}, 1]}, "/args/0/property", "wrong_type"),
            ({"op": "=", "args": [{"property": "a", "x": 1}, 1]}, "/args/0/x", "unknown_field"),
            ({"op": "=", "args": [{"property": "a"}, 1], "a/b~": 1}, "/a~1b~0", "unknown_field"),
            ({"op": "=", "args": [{"property": "a"}, {"date": "x"}]}, "/args/1", "invalid_date"),
            ({"op": "=", "args": [{"property": "a"}, {"timestamp": "x"}]}, "/args/1", "invalid_timestamp"),
            ({"op": "=", "args": [{"property": "a"}, {"date": 5}]}, "/args/1/date", "wrong_type"),
            ({"op": "=", "args": [{"property": "a"}, {"interval": ["a", "b"]}]}, "/args/1", "syntax"),
            ({"op": "in", "args": [{"property": "a"}, 5]}, "/args/1", "syntax"),
            ({"op": "in", "args": [{"property": "a"}, [1, None]]}, "/args/1/1", "syntax"),
            ({"op": "=", "args": [{"property": "a"}, "\0"]}, "/args/1", "control_character"),
            ({"op": "=", "args": [{"property": "a"}, 10**38]}, "/args/1", "out_of_range"),
            ({"op": "=", "args": [{"property": "a"}, Decimal("1e400")]}, "/args/1", "out_of_range"),
            ({"op": "=", "args": [{"property": "a"}, "x" * 4097]}, "/args/1", "too_long"),
            ({"op": "in", "args": [{"property": "a"}, ["x" * 4000] * 3]}, "", "too_long"),
            (chained(7), "/args/0" * 7 + "/args", "rule_too_deep"),
        ],
    )
    def test_what_is_no_rule_is_told_with_its_pointer(self, rule: Any, pointer: str, code: str) -> None:
        assert fault(rule) == (pointer, code)


class TestSize:
    @pytest.mark.parametrize("kind", ["lists", "objects", "nots", "wide", "list", "lists of a function"])
    def test_a_bomb_costs_one_fault_and_no_time(self, kind: str) -> None:
        rule: Any = []
        for _ in range(100_000):
            rule = [rule] if kind == "lists" else {"a": rule}
        rule = {
            "nots": chained(50_000),
            "wide": {"op": "and", "args": [EQUAL] * 100_000},
            "list": {"op": "in", "args": [{"property": "a"}, list(range(100_000))]},
            "lists of a function": {"op": "f", "args": [[1, 2, 3] * 160] * 199},
        }.get(kind, rule)

        began = time.thread_time()
        fault(rule)

        assert time.thread_time() - began < 0.05

    def test_as_deep_as_a_body_may_be_is_taken(self) -> None:
        json_form.parse(chained(6))

        # The object, and in it the list, of six NOTs and of the comparison; and the name's object.
        assert 2 * 7 + 1 == limits.RULE_NESTING_MAX == limits.NESTING_MAX - 1
