"""Values that a rule spells out, from text and from JSON alike: exact, bounded, and refused where nothing stored could equal them."""

from __future__ import annotations

from decimal import Decimal

from app.core import limits, text, times
from app.core.faults import Fault
from app.rules.errors import RuleError
from app.rules.tree import At, Day, Moment, Number, Text

# More characters spell no number that is taken, and a short text is read at once.
_SPELLING_MAX = 2 * limits.RULE_DIGITS_MAX

_OUT_OF_RANGE = f"A number may have {limits.RULE_DIGITS_MAX} digits, written without an exponent."


def text_literal(at: At, value: str) -> Text:
    """In NFC, as all stored text is. Raises RuleError."""
    try:
        return Text(at, text.clean_block(value, max_length=limits.ATTRIBUTE_TEXT_MAX))
    except Fault as fault:
        raise RuleError.one(at, fault.code, fault.detail) from fault


def spelt_number(at: At, spelling: str) -> Number:
    """Raises RuleError."""
    if len(spelling) > _SPELLING_MAX:
        raise RuleError.one(at, "out_of_range", _OUT_OF_RANGE)
    try:
        return number(at, Decimal(spelling))
    except ArithmeticError as error:
        # An exponent that decimal itself cannot hold.
        raise RuleError.one(at, "out_of_range", _OUT_OF_RANGE) from error


def number(at: At, value: int | Decimal) -> Number:
    """Raises RuleError."""
    if isinstance(value, int):
        if abs(value) >= 10**limits.RULE_DIGITS_MAX:
            raise RuleError.one(at, "out_of_range", _OUT_OF_RANGE)
        return Number(at, value)
    if not value:
        return Number(at, 0)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or max(value.adjusted() + 1, 1) + max(-exponent, 0) > limits.RULE_DIGITS_MAX:
        raise RuleError.one(at, "out_of_range", _OUT_OF_RANGE)
    if value == value.to_integral_value():
        return Number(at, int(value))
    # By its digits: decimal's own way would round to 28 of them.
    return Number(at, Decimal(format(value, "f").rstrip("0")))


def day(at: At, value: str) -> Day:
    """Raises RuleError."""
    try:
        return Day(at, times.parse_date(value))
    except Fault as fault:
        raise RuleError.one(at, fault.code, fault.detail) from fault


def moment(at: At, value: str) -> Moment:
    """Raises RuleError."""
    try:
        return Moment(at, times.parse_timestamp(value))
    except Fault as fault:
        raise RuleError.one(at, fault.code, fault.detail) from fault
