"""What a customer may have beside the fields that all have: which names and which values."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from app.core import limits, text
from app.core.faults import Fault

_INT64 = 2**63
_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{limits.ATTRIBUTE_NAME_MAX - 1}}}\Z")


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
        return text.clean_block(value, max_length=limits.ATTRIBUTE_TEXT_MAX)
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise Fault("out_of_range", "A whole number has to fit into 64 bits.")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Fault("out_of_range", "This number is too large.")
        # jsonb has no negative zero: kept, it would differ from what is stored for ever.
        return value + 0.0
    if isinstance(value, list) and len(value) <= limits.ATTRIBUTE_LIST_MAX and all(isinstance(item, str) for item in value):
        return [text.clean_line(item, max_length=limits.ATTRIBUTE_TEXT_MAX) for item in value]
    raise Fault("wrong_type", f"An attribute is text, a number, true, false or a list of up to {limits.ATTRIBUTE_LIST_MAX} texts.")
