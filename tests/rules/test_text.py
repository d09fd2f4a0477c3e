"""Protects the text form of rules: what each construct becomes, and that whatever is no rule is told with its place."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.core import limits
from app.rules import text
from app.rules.errors import RuleError
from app.rules.tree import And, Between, Call, Comparison, Day, In, IsNull, Items, Like, Moment, Not, Number, Or, Property, Text, Truth

A, B, C = (Comparison(0, "=", Property(0, name), Number(0, 1)) for name in "abc")


def fault(rule: str) -> tuple[int, str]:
    """The place and code of the one thing that is wrong."""
    with pytest.raises(RuleError) as raised:
        text.parse(rule)
    (found,) = raised.value.faults
    assert isinstance(found.at, int)
    return found.at, found.code


class TestConstructs:
    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("a = 'x'", Comparison(0, "=", Property(0, "a"), Text(0, "x"))),
            ("a<>5", Comparison(0, "<>", Property(0, "a"), Number(0, 5))),
            ("5 <= a", Comparison(0, "<=", Number(0, 5), Property(0, "a"))),
            ("a > b", Comparison(0, ">", Property(0, "a"), Property(0, "b"))),
            ("a.b.c >= -5.50", Comparison(0, ">=", Property(0, "a.b.c"), Number(0, Decimal("-5.5")))),
            ('"a-b" = TRUE', Comparison(0, "=", Property(0, "a-b"), Truth(0, True))),
            ('"a""b" = false', Comparison(0, "=", Property(0, 'a"b'), Truth(0, False))),
            ("d < DATE('2024-02-29')", Comparison(0, "<", Property(0, "d"), Day(0, date(2024, 2, 29)))),
            (
                "d < timestamp('2024-02-29T08:00:00.5+08:00')",
                Comparison(0, "<", Property(0, "d"), Moment(0, datetime(2024, 2, 29, 0, 0, 0, 500_000, tzinfo=UTC))),
            ),
            ("a BETWEEN 1 AND 2", Between(0, Property(0, "a"), Number(0, 1), Number(0, 2))),
            ("a NOT BETWEEN 1 AND 2", Not(0, Between(0, Property(0, "a"), Number(0, 1), Number(0, 2)))),
            ("a IN ('x', 'y')", In(0, Property(0, "a"), Items(0, (Text(0, "x"), Text(0, "y"))))),
            ("a not in (1)", Not(0, In(0, Property(0, "a"), Items(0, (Number(0, 1),))))),
            ("a LIKE 'x%'", Like(0, Property(0, "a"), Text(0, "x%"))),
            ("a NOT LIKE 'x%'", Not(0, Like(0, Property(0, "a"), Text(0, "x%")))),
            ("a IS NULL", IsNull(0, Property(0, "a"))),
            ("a IS NOT NULL", Not(0, IsNull(0, Property(0, "a")))),
            ("TRUE", Truth(0, True)),
            ("f()", Call(0, "f", ())),
            ("F(a, 'x', 1, ('y'))", Call(0, "f", (Property(0, "a"), Text(0, "x"), Number(0, 1), Items(0, (Text(0, "y"),))))),
            ("A_CONTAINS(a, ())", Call(0, "a_contains", (Property(0, "a"), Items(0, ())))),
            ("f(g(a)) < 1", Comparison(0, "<", Call(0, "f", (Call(0, "g", (Property(0, "a"),)),)), Number(0, 1))),
            ("androids = 1", Comparison(0, "=", Property(0, "androids"), Number(0, 1))),
            ("a = 1 AND b = 1 AND c = 1", And(0, (A, B, C))),
            ("a = 1 OR b = 1 AND c = 1", Or(0, (A, And(0, (B, C))))),
            ("(a = 1 OR b = 1) and c = 1", And(0, (Or(0, (A, B)), C))),
            ("a = 1 AND (b = 1 AND c = 1)", And(0, (A, B, C))),
            ("NOT a = 1 AND b = 1", And(0, (Not(0, A), B))),
            ("NOT NOT a = 1", Not(0, Not(0, A))),
            ("\n\t((a=1))  ", A),
        ],
    )
    def test_each_construct_becomes_its_tree(self, rule: str, expected: Any) -> None:
        assert text.parse(rule) == expected

    @pytest.mark.parametrize(
        ("literal", "value"),
        [
            ("''", ""),
            ("'O''Brien'", "O'Brien"),
            ("''''", "'"),
            ("'back\\'", "back\\"),
            ("'Zu\u0308rich'", "Z\u00fcrich"),
            ("'😀 AND'", "😀 AND"),
            ("5.0", 5),
            ("+5", 5),
            (".5", Decimal("0.5")),
            ("1e3", 1000),
            ("-0.0", 0),
            ("9007199254740993", 9007199254740993),
            ("0.1000000000000000000000000000000000001", Decimal("0.1000000000000000000000000000000000001")),
        ],
    )
    def test_a_value_is_exact(self, literal: str, value: Any) -> None:
        rule = text.parse(f"a = {literal}")

        assert isinstance(rule, Comparison)
        assert isinstance(rule.right, Text | Number)
        assert rule.right.value == value
        assert type(rule.right.value) is type(value)

    def test_every_node_knows_its_place(self) -> None:
        rule = text.parse("a = 1 AND contact_count('call', 5) > 2")

        assert isinstance(rule, And)
        second = rule.conditions[1]
        assert isinstance(second, Comparison)
        assert isinstance(second.left, Call)
        assert [node.at for node in (second.left, *second.left.arguments, second, second.right)] == [10, 24, 32, 35, 37]


class TestFaults:
    @pytest.mark.parametrize(
        ("rule", "place", "code"),
        [
            ("", 0, "syntax"),
            ("a", 1, "syntax"),
            ("5", 1, "syntax"),
            ("a =", 3, "syntax"),
            ("a == 1", 2, "syntax"),
            ("a != 1", 2, "syntax"),
            ("a = 1 b", 6, "syntax"),
            ("a = 1 && b = 2", 6, "syntax"),
            ("a = NULL", 4, "syntax"),
            ("a IN 'x'", 5, "syntax"),
            ("a IN ('x'", 9, "syntax"),
            ("a = 'x", 4, "syntax"),
            ('"a = 1', 0, "syntax"),
            ('"" = 1', 0, "syntax"),
            ("(a = 1", 6, "syntax"),
            ("a = 1)", 5, "syntax"),
            ("a = 5 - 3", 6, "syntax"),
            ("a-b = 3", 1, "syntax"),
            ("a = ('x')", 4, "syntax"),
            ("a BETWEEN 1", 11, "syntax"),
            ("a NOT = 1", 6, "syntax"),
            ("a IS 5", 5, "syntax"),
            ("a = 12abc", 4, "syntax"),
            ("a = 1.2.3", 4, "syntax"),
            ("a = \u2018x\u2019", 4, "syntax"),
            ("a = 1; DROP TABLE customers", 5, "syntax"),
            ("a = 1 -- x", 6, "syntax"),
            ("NOT", 3, "syntax"),
            ("AND a = 1", 0, "syntax"),
            ("DATE('2024-02-29')", 0, "syntax"),
            ("a = DATE(5)", 4, "wrong_type"),
            ("a = DATE('2024-02-30')", 4, "invalid_date"),
            ("a = TIMESTAMP('2024-02-29T08:00:00')", 4, "timestamp_without_zone"),
            ("a = TIMESTAMP('2024-02-29')", 4, "invalid_timestamp"),
            ("a = 1e38", 4, "out_of_range"),
            ("a = 1e999999999999999999999", 4, "out_of_range"),
            ("a = 1e-999999999999999999999", 4, "out_of_range"),
            ("a = " + "9" * 39, 4, "out_of_range"),
            ("a = " + "9" * 5000, 4, "out_of_range"),
            ("a = 'x\0'", 4, "control_character"),
            ("a = '\u202e'", 4, "bidi_control"),
            ("a = '" + "x" * 4097 + "'", 4, "too_long"),
            ("a = '" + "x" * 9000 + "'", 8192, "too_long"),
        ],
    )
    def test_what_is_no_rule_is_told_with_its_place(self, rule: str, place: int, code: str) -> None:
        assert fault(rule) == (place, code)

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            ("a ", "an operator (=, <>, <, <=, >, >=, LIKE, IN, BETWEEN, IS NULL)"),
            ("a = 1 AND", "a condition such as country = 'CN'"),
            ("(a = 1", "`)`"),
            ("(a = 1 b", "AND or OR or `)`"),
            ("a NOT 5", "LIKE or BETWEEN or IN"),
            ("f(1 2)", "a comma or `)`"),
            ("a = NULL", "IS NULL"),
            ("a != 1", "`<>`"),
            ("a = “x”", "straight single quotes"),
            ("a IN 5", "a list in parentheses"),
            ("a BETWEEN 1 OR 2", "AND"),
        ],
    )
    def test_what_was_expected_is_said(self, rule: str, words: str) -> None:
        with pytest.raises(RuleError) as raised:
            text.parse(rule)

        assert words in raised.value.faults[0].detail

    def test_an_offset_counts_characters(self) -> None:
        assert fault("a = '😀😀' b") == (9, "syntax")


class TestSize:
    @pytest.mark.parametrize(
        "rule",
        [
            "(" * 100_000,
            "(" * limits.RULE_TEXT_MAX,
            "(" * 3000 + "a = 1" + ")" * 3000,
            "NOT " * 2000 + "a = 1",
            "NOT(" * 1000 + "a = 1" + ")" * 1000,
            "f(" * 4000,
            "((a=1) AND " * 700 + "a=1" + ")" * 700,
            "a = 1 AND " * 500 + "a = 1",
            "a IN (" + "1," * 4000 + "1)",
            "a IN (" + "1," * limits.RULE_LIST_MAX + "1)",
            "'" * limits.RULE_TEXT_MAX,
            '"' * (limits.RULE_TEXT_MAX - 1),
            " " * limits.RULE_TEXT_MAX,
            "a=" + "'" + "\u0301" * 4000 + "'",
        ],
    )
    def test_a_bomb_costs_one_fault_and_no_time(self, rule: str) -> None:
        began = time.thread_time()
        with pytest.raises(RuleError) as raised:
            text.parse(rule)
        spent = time.thread_time() - began

        assert len(raised.value.faults) == 1
        assert spent < 0.05

    def test_as_much_as_is_allowed_is_taken(self) -> None:
        conditions = (limits.RULE_NODES_MAX - 1) // 3

        rule = text.parse(" AND ".join(["a = 1"] * conditions))
        listed = text.parse("a IN (" + "1," * (limits.RULE_LIST_MAX - 1) + "1)")

        assert isinstance(rule, And)
        assert len(rule.conditions) == conditions
        assert isinstance(listed, In)

    def test_a_rule_is_as_deep_as_its_json_may_be(self) -> None:
        taken = "NOT (" * 6 + "a = 1" + ")" * 6

        text.parse(taken)

        assert fault(f"NOT ({taken})") == (37, "rule_too_deep")
