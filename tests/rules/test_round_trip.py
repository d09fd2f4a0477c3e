"""Protects the two forms of a rule: each can be had from the other, and reading what was written changes nothing."""

from __future__ import annotations

from typing import Any

import cql2
import orjson
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.rules import json_form, printing, text, tree
from app.rules.errors import RuleError
from tests.rules import pools

COMMON = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

# The package cql2 recurses without a bound and ends the process: nothing deep is shown to it.
CQL2_DEPTH = 50

# Pieces of rules in any order: mostly nonsense, now and then a rule.
PIECES = [
    "a", "b.c", '"d-e"', "'x'", "'it''s'", "5", "-2.5", "TRUE", "=", "<>", "<", ">=", "AND", "OR", "NOT", "(", ")", ",", "IN", "('x', 'y')",
    "BETWEEN 1 AND 2", "LIKE 'x%'", "IS NULL", "IS NOT NULL", "f(a)", "CASEI('x')", "A_CONTAINS(t, ('x'))", "DATE('2024-02-29')",
    "TIMESTAMP('2024-02-29T08:00:00Z')", "a = 1", "a <> 'x'", "a = 1 AND b.c = 2",
]  # fmt: skip


class TestRoundTrip:
    @COMMON
    @given(rule=pools.rules())
    def test_text_gives_the_same_tree_and_the_same_text_again(self, rule: tree.Condition) -> None:
        written = printing.text(rule)

        assert text.parse(written) == rule
        assert printing.text(text.parse(written)) == written

    @COMMON
    @given(rule=pools.rules())
    def test_json_gives_the_same_tree_and_the_same_text_again(self, rule: tree.Condition) -> None:
        written = printing.text(rule)

        again = json_form.read(printing.json_bytes(text.parse(written)))

        assert again == rule
        assert printing.text(again) == written

    @COMMON
    @given(pieces=st.lists(st.sampled_from(PIECES), max_size=7))
    def test_whatever_is_read_can_be_written_and_read_again(self, pieces: list[str]) -> None:
        try:
            rule = text.parse(" ".join(pieces))
        except RuleError:
            assume(False)

        assert text.parse(printing.text(rule)) == rule
        assert json_form.read(printing.json_bytes(rule)) == rule

    @settings(max_examples=1000, deadline=None)
    @given(rule=st.text(st.sampled_from("ab=<>'\"() ,.15-eE\\AND_'😀é\0\n"), max_size=40))
    def test_any_text_is_a_rule_or_a_fault(self, rule: str) -> None:
        try:
            text.parse(rule)
        except RuleError as error:
            (fault,) = error.faults
            assert isinstance(fault.at, int)
            assert 0 <= fault.at <= len(rule)

    @settings(max_examples=500, deadline=None)
    @given(
        rule=st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.decimals(allow_nan=False, allow_infinity=False)),
            lambda below: st.one_of(
                st.lists(below, max_size=3),
                st.dictionaries(st.sampled_from(["op", "args", "property", "date", "x"]), below, max_size=3),
                st.fixed_dictionaries({"op": st.sampled_from(["and", "not", "=", "in", "f"]), "args": st.lists(below, max_size=3)}),
            ),
        )
    )
    def test_any_json_is_a_rule_or_a_fault(self, rule: Any) -> None:
        try:
            json_form.parse(rule)
        except RuleError as error:
            (fault,) = error.faults
            assert isinstance(fault.at, str)
            assert fault.at == "" or fault.at.startswith("/")

    def test_numbers_keep_every_digit(self) -> None:
        rule = text.parse("a IN (9007199254740993, 0.1000000000000000000000000000000000001, 99999999999999999999999999999999999999)")

        written = printing.json_bytes(rule)

        assert b"[9007199254740993,0.1000000000000000000000000000000000001,99999999999999999999999999999999999999]" in written
        assert json_form.read(written) == rule


class TestOracle:
    """The package cql2 reads the same standard; what both of us take, we read alike. Its numbers are floats, and compared as such."""

    @COMMON
    @given(rule=pools.rules())
    def test_our_text_is_read_as_our_json(self, rule: tree.Condition) -> None:
        written = printing.text(rule)
        theirs = told_by_cql2(written)
        assume(theirs is not None)

        assert theirs == as_floats(orjson.loads(printing.json_bytes(rule)))

    @COMMON
    @given(pieces=st.lists(st.sampled_from(PIECES), max_size=7))
    def test_what_both_take_both_read_alike(self, pieces: list[str]) -> None:
        written = " ".join(pieces)
        try:
            rule = text.parse(written)
        except RuleError:
            assume(False)
        theirs = told_by_cql2(written)
        assume(theirs is not None)

        assert theirs == as_floats(orjson.loads(printing.json_bytes(rule)))

    def test_it_takes_nearly_everything_that_we_write(self) -> None:
        taken = [
            told_by_cql2(rule) is not None
            for rule in (
                "a = 1 AND (b = 'x' OR c IS NULL)",
                "a NOT IN ('x') AND NOT b LIKE 'y%'",
                "A_CONTAINS(t, ('x', 'y')) AND CASEI(a) = CASEI('x')",
                "d BETWEEN DATE('2024-01-01') AND DATE('2024-02-01')",
                "f('x', 90) >= 3 AND now() > t",
            )
        ]

        assert all(taken)


def told_by_cql2(rule: str) -> Any:
    """Its JSON; None where it takes the rule for none."""
    assert rule.count("(") + rule.count("NOT") < CQL2_DEPTH
    try:
        return as_floats(cql2.parse_text(rule).to_json())
    except (ValueError, cql2.ParseError):
        return None


def as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_floats(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_floats(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
