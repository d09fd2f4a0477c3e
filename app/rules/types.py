"""The types that values of a rule have, what each can be asked, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Type(Enum):
    """What a name or a function gives. As a caller reads it in `GET /v1/attributes`."""

    STRING = "string"
    # Compared without case.
    EMAIL = "email"
    # One of our own ids.
    ID = "id"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    STRING_LIST = "string_list"
    EMAIL_LIST = "email_list"
    # What CASEI makes of text; no name has it.
    FOLDED = "folded"

    @property
    def is_list(self) -> bool:
        return self in (Type.STRING_LIST, Type.EMAIL_LIST)

    @property
    def family(self) -> Type:
        """Types of one family may be compared with each other."""
        return Type.NUMBER if self is Type.INTEGER else self


_EQUALITY = ("=", "<>")
_ORDER = ("<", "<=", ">", ">=")

OPERATORS: Mapping[Type, tuple[str, ...]] = {
    Type.STRING: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "LIKE", "IS NULL"),
    Type.EMAIL: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "LIKE", "IS NULL"),
    Type.FOLDED: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "LIKE", "IS NULL"),
    Type.ID: (*_EQUALITY, "IN", "IS NULL"),
    Type.INTEGER: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "IS NULL"),
    Type.NUMBER: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "IS NULL"),
    Type.BOOLEAN: (*_EQUALITY, "IS NULL"),
    Type.DATE: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "IS NULL"),
    Type.TIMESTAMP: (*_EQUALITY, *_ORDER, "IN", "BETWEEN", "IS NULL"),
    Type.STRING_LIST: ("A_CONTAINS", "A_OVERLAPS", "IS NULL"),
    Type.EMAIL_LIST: ("A_CONTAINS", "A_OVERLAPS", "IS NULL"),
}

# How a value of the type is written, for sentences.
WRITTEN: Mapping[Type, str] = {
    Type.STRING: "text ('…')",
    Type.EMAIL: "an e-mail address ('…')",
    Type.FOLDED: "CASEI(…)",
    Type.ID: "an id ('…')",
    Type.INTEGER: "a whole number",
    Type.NUMBER: "a number",
    Type.BOOLEAN: "TRUE or FALSE",
    Type.DATE: "a date: DATE('2024-02-29')",
    Type.TIMESTAMP: "a timestamp: TIMESTAMP('2024-02-29T08:00:00Z')",
    Type.STRING_LIST: "a list of texts",
    Type.EMAIL_LIST: "a list of e-mail addresses",
}
