"""Cells that no spreadsheet takes for a formula: what would be one is written behind an apostrophe, and read back without.

A text that has apostrophes before such a character already gets one more, so that every text comes back as it was.
"""

from __future__ import annotations

import re

# https://owasp.org/www-community/attacks/CSV_Injection, the full-width forms among them.
_BEGINS_A_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def guarded(text: str) -> str:
    return f"'{text}" if _BEGINS_A_FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    return cell[1:] if cell[0] == "'" and _BEGINS_A_FORMULA.match(cell) else cell
