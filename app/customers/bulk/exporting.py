"""Customers as an export shows them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from app.changes import queries as change_queries
from app.customers import listing
from app.customers.schemas import CustomerMetricsSchema, CustomerSchema
from app.db.engines import Snapshot
from app.web import ruled
from app.web.bulk import exporting
from app.web.streams.exporting import Rows

# Any: what the schemas load.

PARTS = {"metrics": tuple(f"metrics.{name}" for name in CustomerMetricsSchema._declared_fields)}


def rows(query: Mapping[str, Any]) -> Rows:
    """What `query` finds, in a snapshot of its own. Raises Invalid where its rule is not sound."""
    rule = ruled.for_export(query, of="customers")

    def read(snapshot: Snapshot) -> Generator[Sequence[Row[Any]], None, None]:
        with snapshot.watched():
            narrowed = listing.narrowed(snapshot.connection, query, rule)
        return listing.stream_customers(snapshot, narrowed=narrowed, names=query["fields_"])

    return exporting.rows(CustomerSchema, query["fields_"], read, place=change_queries.get_snapshot, parts=PARTS)
