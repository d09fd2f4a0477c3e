"""Custom attributes, and other maps that a merge patch goes on with by name: what they become, and whether that differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.core.errors import FieldFault, Invalid

# Any: JSON.

# Of all attributes together, as JSON: patches, each within the limit of a body, could grow a row without end.
_BYTES_MAX = 1_048_576

# From here on a float is written with an exponent, and jsonb, which keeps digits and no notation, gives it back as a whole number:
# one that orjson reads as an int where it fits into 64 bits, signed or not.
_WRITTEN_WITH_EXPONENT = 1e16
_INT_MIN, _INT_END = -(2**63), 2**64


def merged(before: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    """`before` gone on with by name, as it will be read back; a null takes the name away, and None all of them."""
    if patch is None:
        return {}
    return {name: _as_read_back(value) for name, value in {**before, **patch}.items() if value is not None}


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


def _as_read_back(value: Any) -> Any:
    """As it will come out of the database: a float that comes out as an int would differ from itself when it is sent again."""
    if isinstance(value, float) and abs(value) >= _WRITTEN_WITH_EXPONENT and _INT_MIN <= value < _INT_END:
        return int(value)
    return value
