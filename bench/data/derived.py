"""What the service derives of a customer's fields, for rows that are made past it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.customers import merging
from app.customers.record import DERIVED, CustomerRecord

# Any: values of a customer's fields.


def whole(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a customer of whom `fields` is said, and what follows from them."""
    values = {**merging.DEFAULTS, **fields}
    record = CustomerRecord(*map(values.get, CustomerRecord._fields))
    return {**values, **dict(zip(DERIVED, merging.derived(record), strict=True))}
