"""Custom attributes, and other maps that a merge patch goes on with by name: which names and values there may be, what they become, and
whether that differs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from app.core import limits, text
from app.core.cells import Cell
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault

# Any: JSON.

_INT64 = 2**63
_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{limits.ATTRIBUTE_NAME_MAX - 1}}}\Z")

# Of all attributes together, as JSON: patches, each within the limit of a body, could grow a row without end.
_BYTES_MAX = 1_048_576

# From here on a float is written with an exponent, and jsonb, which keeps digits and no notation, gives it back as a whole number:
# one that orjson reads as an int where it fits into 64 bits, signed or not.
_WRITTEN_WITH_EXPONENT = 1e16
_INT_MIN, _INT_END = -(2**63), 2**64


# Names, unlike values, are the same few in every customer.
@lru_cache(maxsize=4096)
def check_name(value: str) -> str:
    """Raises Fault."""
    if not _NAME.match(value):
        raise Fault("invalid_name", "An attribute's name is a letter and up to 63 letters, digits and `_`.")
    return value


def clean_value(value: Any) -> Any:  # Any: what JSON holds
    """A value as it is kept. Raises Fault."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        cleaned = text.clean_block(value, max_length=limits.ATTRIBUTE_TEXT_MAX)
        return Cell(cleaned) if isinstance(value, Cell) else cleaned
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else _as_double(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Fault("out_of_range", "This number is too large.")
        # jsonb has no negative zero: kept, it would differ from what is stored for ever.
        return value + 0.0
    if isinstance(value, list) and len(value) <= limits.ATTRIBUTE_LIST_MAX and all(isinstance(item, str) for item in value):
        return [text.clean_line(item, max_length=limits.ATTRIBUTE_TEXT_MAX) for item in value]
    raise Fault("wrong_type", f"An attribute is text, a number, true, false or a list of up to {limits.ATTRIBUTE_LIST_MAX} texts.")


def merged(before: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """`before` gone on with by name, as it will be read back; a null takes the name away, and None all of them."""
    if patch is None:
        return {}
    both = {**before, **patch}.items()
    return {name: _as_read_back(value) if type(value) is float else value for name, value in both if value is not None}


def are_same(value: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """By their JSON, since to Python 1, 1.0 and True are equal, also deep inside."""
    return bool(value == other) and orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def check_count(name: str, value: Mapping[str, Any], most: int) -> None:
    """Raises Invalid where the map `name` has come to more than `most` members."""
    if len(value) > most:
        raise Invalid([FieldFault(f"/{name}", "wrong_count", f"There may be {most} members in all.")])


def check_size(attributes: Mapping[str, Any]) -> None:
    """Raises Invalid where all together have come to more than a row may hold."""
    if len(orjson.dumps(attributes)) > _BYTES_MAX:
        raise Invalid([FieldFault("/attributes", "too_long", f"All attributes together may have {_BYTES_MAX} bytes as JSON.")])


def _as_double(value: int) -> float:
    """The double that is answered as this whole number beyond 64 bits, so that what was answered can be sent again. Raises Fault."""
    with suppress(OverflowError):
        double = float(value)
        if Decimal(repr(double)) == value:
            return double
    raise Fault("out_of_range", "A whole number has to fit into 64 bits.")


def _as_read_back(value: float) -> float:
    """As it will come out of the database: a float that comes out as an int would differ from itself when it is sent again."""
    if abs(value) >= _WRITTEN_WITH_EXPONENT and _INT_MIN <= value < _INT_END:
        return int(value)
    return value
