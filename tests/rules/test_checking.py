"""Protects callers from rules that mean nothing: every kind of mistake is told with its place, before any SQL."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import limits
from app.customers import catalogue as customers
from app.rules import builtins, checking, json_form, text
from app.rules.catalogue import Catalogue, Checked, Entries, Name
from app.rules.errors import RuleError
from app.rules.types import OPERATORS, WRITTEN, Type

CATALOGUE = Catalogue.of([builtins.ENTRIES, customers.entries()])


def checked(rule: str) -> Checked:
    return checking.check(text.parse(rule), CATALOGUE)


def faults(rule: str) -> list[tuple[Any, str]]:
    with pytest.raises(RuleError) as raised:
        checked(rule)
    return [(fault.at, fault.code) for fault in raised.value.faults]


class TestFaults:
    @pytest.mark.parametrize(
        ("rule", "place", "code"),
        [
            ("countri = 'x'", 0, "unknown_name"),
            ('country = "CN"', 10, "unknown_name"),
            ("metrics = 1", 0, "unknown_name"),
            ("metrics.order_total = 1", 0, "unknown_name"),
            ("metrics.order_total.usd = 1", 0, "unknown_currency"),
            ("metrics.order_total.ZZZ = 0", 0, "unknown_currency"),
            ("metrics.order_total. = 1", 0, "unknown_name"),
            ("external_ids.Shop = 'x'", 0, "unknown_name"),
            ("search_text = 'x'", 0, "unknown_name"),
            ("xid = 1", 0, "unknown_name"),
            ("nonsense(1)", 0, "unknown_function"),
            ("country = lower('x')", 10, "unknown_function"),
            ("country = 5", 10, "wrong_type"),
            ("5 = country", 4, "wrong_type"),
            ("country = TRUE", 10, "wrong_type"),
            ("country = birthday", 10, "wrong_type"),
            ("email = owner", 8, "wrong_type"),
            ("birthday > '2020-01-01'", 11, "wrong_type"),
            ("birthday > TIMESTAMP('2024-01-01T00:00:00Z')", 11, "wrong_type"),
            ("created_at > DATE('2024-01-01')", 13, "wrong_type"),
            ("metrics.order_count > '5'", 22, "wrong_type"),
            ("metrics.order_count BETWEEN 1 AND 'x'", 34, "wrong_type"),
            ("metrics.order_count IN (1, 'x')", 27, "wrong_type"),
            ("country IN ('CN', owner)", 18, "wrong_type"),
            ("country IN ('CN', now())", 18, "wrong_type"),
            ("country IN ()", 11, "wrong_count"),
            ("tags = 'x'", 5, "wrong_operator"),
            ("tags LIKE 'x'", 5, "wrong_operator"),
            ("birthday LIKE 'x'", 9, "wrong_operator"),
            ("id > '01890000-0000-7000-8000-000000000000'", 3, "wrong_operator"),
            ("id LIKE '0%'", 3, "wrong_operator"),
            ("id = 'x'", 5, "invalid_id"),
            ("id IN ('01890000-0000-7000-8000-000000000000', 'x')", 47, "invalid_id"),
            ("status = 'actve'", 9, "not_a_choice"),
            ("'actve' <> status", 0, "not_a_choice"),
            ("kind IN ('person', 'robot')", 19, "not_a_choice"),
            ("country LIKE owner", 13, "wrong_type"),
            ("country LIKE 'x\\'", 13, "bad_pattern"),
            ("country LIKE 'x\\\\\\'", 13, "bad_pattern"),
            ("CASEI(country) LIKE CASEI('x\\')", 26, "bad_pattern"),
            ("CASEI(country) = 'cn'", 17, "wrong_type"),
            ("country = CASEI('cn')", 10, "wrong_type"),
            ("CASEI(birthday) = CASEI('x')", 6, "wrong_type"),
            ("CASEI(country)", 0, "wrong_type"),
            ("days_since(created_at)", 0, "wrong_type"),
            ("days_since(birthday) > 1", 11, "wrong_type"),
            ("days_since() > 1", 0, "wrong_count"),
            ("now(1) > created_at", 0, "wrong_count"),
            ("month(country) = 1", 6, "wrong_type"),
            ("month(('x')) = 1", 6, "wrong_type"),
            ("A_CONTAINS(tags, 'x')", 17, "wrong_type"),
            ("A_CONTAINS(tags, alternate_phones)", 17, "wrong_type"),
            ("A_CONTAINS(tags, (1))", 18, "wrong_type"),
            ("A_CONTAINS(country, ('x'))", 11, "wrong_type"),
            ("A_CONTAINS(('x'), ('x'))", 11, "wrong_type"),
            ("A_CONTAINS(tags, ('x')) = TRUE", 0, "wrong_type"),
            ("A_CONTAINS(tags)", 0, "wrong_count"),
            ("A_CONTAINED(tags, ('x'))", 0, "unknown_function"),
        ],
    )
    def test_what_means_nothing_is_told_with_its_place(self, rule: str, place: int, code: str) -> None:
        assert faults(rule) == [(place, code)]

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        rule = "countri = 'x' OR NOT (status = 'actve' AND nonsense(1))"

        assert faults(rule) == [(0, "unknown_name"), (31, "not_a_choice"), (43, "unknown_function")]

    def test_so_many_faults_are_enough(self) -> None:
        assert len(faults(" AND ".join(["nonsense = 1"] * 60))) == limits.RULE_FAULTS_MAX

    def test_in_json_the_place_is_a_pointer(self) -> None:
        rule = {"op": "not", "args": [{"op": "in", "args": [{"property": "status"}, ["active", "actve"]]}]}

        with pytest.raises(RuleError) as raised:
            checking.check(json_form.parse(rule), CATALOGUE)

        assert [fault.at for fault in raised.value.faults] == ["/args/0/args/1/1"]

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            ("countri = 'x'", "Did you mean `country`?"),
            ("metrics.order_totl.USD = 1", "Did you mean `metrics.order_total.USD`?"),
            ("Country = 'x'", "Did you mean `country`?"),
            ("day_since(created_at) > 1", "Did you mean `days_since`?"),
            ("status = 'actve'", "Did you mean `active`?"),
            ('country = "CN"', "Text stands in single quotes."),
            ("birthday > '2020-01-01'", "DATE('2024-02-29')"),
            ("created_at > DATE('2024-01-01')", "TIMESTAMP('2024-02-29T08:00:00Z')"),
            ("tags = 'x'", "A_CONTAINS, A_OVERLAPS, IS NULL"),
            ("days_since() > 1", "days_since(time)"),
            ("CASEI(country) = 'cn'", "both sides"),
        ],
    )
    def test_what_to_write_instead_is_said(self, rule: str, words: str) -> None:
        with pytest.raises(RuleError) as raised:
            checked(rule)

        assert words in raised.value.faults[0].detail


class TestTaken:
    @pytest.mark.parametrize(
        "rule",
        [
            "'CN' = country",
            "metrics.order_count > 2.5",
            "created_at < updated_at",
            "organization_id = id",
            "month(birthday) = month(now())",
            "'2024' < '2025'",
            "1 = 1",
            "now() > TIMESTAMP('2024-01-01T00:00:00Z')",
            "5 < days_since(created_at)",
            "days_since(now()) = 0",
            "email LIKE '%@x.example'",
            "CASEI(email) = CASEI('x')",
            "external_ids.shop IS NOT NULL",
            "\"external_ids.my-shop\" LIKE 'gid:%'",
            "status = 'active' AND status IN ('blocked')",
            "status LIKE 'act%'",
        ],
    )
    def test_what_means_something_is_taken(self, rule: str) -> None:
        assert checked(rule).rule == text.parse(rule)

    @pytest.mark.parametrize(
        ("rule", "uses_time"), [("now() > created_at", True), ("NOT days_since(created_at) > 1", True), ("created_at < updated_at", False)]
    )
    def test_a_rule_says_whether_it_turns_by_time_alone(self, rule: str, uses_time: bool) -> None:
        assert checked(rule).uses_time is uses_time


class TestCatalogue:
    def test_every_type_says_what_it_can_be_asked_and_how_it_is_written(self) -> None:
        assert set(OPERATORS) == set(WRITTEN) == set(Type)

    def test_two_features_cannot_bring_one_name(self) -> None:
        name = Name(name="country", type=Type.STRING, meaning="Another.", kind="field", sql=next(iter(CATALOGUE.names.values())).sql)

        with pytest.raises(ValueError, match="country"):
            Catalogue.of([customers.entries(), Entries(names=(name,))])
