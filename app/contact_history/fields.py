"""Fields that only interactions have: money, and text of several lines."""

from __future__ import annotations

from typing import Any

from app.core import codes, limits, money, text
from app.core.faults import Fault
from app.web import fields

# Any: marshmallow's own arguments.


class Block(fields.Parsed):
    """Text of several lines."""

    def __init__(self, max_length: int, **kwargs: Any) -> None:
        super().__init__(lambda value: text.clean_block(value, max_length=max_length), {"maxLength": max_length}, **kwargs)


class Amount(fields.Parsed):
    """An amount of money, a decimal as text: as a JSON number many programs would round it."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = rf"^-?[0-9]{{1,{limits.AMOUNT_DIGITS_MAX}}}(\.[0-9]{{1,{limits.AMOUNT_DECIMALS_MAX}}})?$"
        super().__init__(money.parse_amount, {"pattern": pattern, "examples": ["12.50"]}, **kwargs)


class Currency(fields.Parsed):
    def __init__(self, **kwargs: Any) -> None:
        def parse(value: str) -> str:
            # ASCII only, and short: see `fields.Country`.
            code = value.strip().upper() if value.isascii() and len(value) < limits.SHORT_TEXT_MAX else ""
            if not codes.is_currency(code):
                raise Fault("unknown_currency", "This is no ISO 4217 currency code.")
            return code

        super().__init__(parse, {"minLength": 3, "maxLength": 3, "examples": ["CNY"]}, **kwargs)
