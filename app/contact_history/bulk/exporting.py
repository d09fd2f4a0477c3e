"""Interactions as an export shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.changes import queries as change_queries
from app.contact_history import listing
from app.contact_history.listing import EntryFilter
from app.contact_history.schemas import ContactHistorySchema
from app.web.bulk import exporting
from app.web.streams.exporting import Rows

# Any: what the schemas load.


def rows(query: Mapping[str, Any]) -> Rows:
    """What `query` finds, in a snapshot of its own."""
    narrowed = EntryFilter(**{name: query[name] for name in EntryFilter.__slots__})
    return exporting.rows(
        ContactHistorySchema,
        query["fields_"],
        lambda snapshot: listing.stream_entries(snapshot, customer_id=query["customer_id"], narrowed=narrowed),
        place=change_queries.get_snapshot,
    )
