"""Customers as an export shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.changes import queries as change_queries
from app.customers import listing
from app.customers.listing import CustomerFilter
from app.customers.schemas import CustomerMetricsSchema, CustomerSchema
from app.web.bulk import exporting
from app.web.streams.exporting import Rows

# Any: what the schemas load.

_PARTS = {"metrics": tuple(f"metrics.{name}" for name in CustomerMetricsSchema._declared_fields)}


def rows(query: Mapping[str, Any]) -> Rows:
    """What `query` finds, in a snapshot of its own."""
    narrowed = CustomerFilter(**{name: query[name] for name in CustomerFilter.__slots__})
    return exporting.rows(
        CustomerSchema,
        query["fields_"],
        lambda snapshot: listing.stream_customers(snapshot, narrowed=narrowed),
        place=change_queries.get_snapshot,
        parts=_PARTS,
    )
