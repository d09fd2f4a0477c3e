"""Amounts of money: exact decimals, written one way for one value, so that sums can be compared as text."""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache

from app.core import codes
from app.core.faults import Fault
from app.core.limits import AMOUNT_DECIMALS_MAX, AMOUNT_DIGITS_MAX

_AMOUNT = re.compile(rf"-?[0-9]{{1,{AMOUNT_DIGITS_MAX}}}(?:\.[0-9]{{1,{AMOUNT_DECIMALS_MAX}}})?")
# A sum of more amounts than a table can hold; what would not fit is an error and never rounded.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])


def parse_amount(text: str) -> str:
    """Return an amount as it was written. Raises `Fault` invalid_amount."""
    if not _AMOUNT.fullmatch(text):
        raise Fault(
            "invalid_amount",
            f'An amount is a decimal in quotes, such as "12.50": up to {AMOUNT_DIGITS_MAX} digits and {AMOUNT_DECIMALS_MAX} decimals.',
        )
    return text


def written(amount: str | Decimal, currency: str) -> str:
    """The one way to write this amount: with the decimals that the currency has, and more only where they say something."""
    text = amount if isinstance(amount, str) else format(amount, "f")
    # Nearly all are written so already, which a look at the text tells in a fifth of the time.
    if _way(codes.minor_units(currency)).fullmatch(text):
        return text
    value = _EXACT.normalize(Decimal(amount))
    if not value:
        # Zero has a sign, which says nothing.
        value = Decimal(0)
    _, _, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    return format(_EXACT.quantize(value, Decimal(1).scaleb(min(exponent, -codes.minor_units(currency)))), "f")


@cache
def _way(decimals: int) -> re.Pattern[str]:
    """What is written with exactly so many decimals, without a zero too many in front and without the sign of zero."""
    return re.compile(r"(?!-[0.]*\Z)-?(?:0|[1-9][0-9]*)" + (rf"\.[0-9]{{{decimals}}}" if decimals else ""))


def added(amount: Decimal, other: Decimal) -> Decimal:
    """The sum, exactly."""
    return _EXACT.add(amount, other)


def subtracted(amount: Decimal, other: Decimal) -> Decimal:
    """The difference, exactly."""
    return _EXACT.subtract(amount, other)
