"""The door to the rules for features: from what a caller sent to a rule that can be compiled, its faults told as faults of the input."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from app.rules import checking, json_form, text
from app.rules.catalogue import Catalogue, Checked
from app.rules.errors import RuleError
from app.rules.tree import Condition


def parse_text(rule: str, *, pointer: str) -> Condition:
    """`rule` as text stood at `pointer` of the input. Raises Invalid, with the place of what is wrong."""
    try:
        return text.parse(rule)
    except RuleError as error:
        raise error.as_invalid(pointer) from error


def parse_json(rule: Any, *, pointer: str) -> Condition:  # Any: JSON, its numbers as int and Decimal
    """`rule` as JSON stood at `pointer` of the input. Raises Invalid, with the pointer of what is wrong."""
    try:
        return json_form.parse(rule)
    except RuleError as error:
        raise error.as_invalid(pointer) from error


def check(db: Connection, catalogue: Catalogue, rule: Condition, *, pointer: str) -> Checked:
    """`rule`, held against the catalogue and what only the database knows of it. Raises Invalid."""
    try:
        return checking.check(rule, catalogue.prepared(db, rule))
    except RuleError as error:
        raise error.as_invalid(pointer) from error
