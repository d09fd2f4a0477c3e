"""Interactions as an export shows them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from app.changes import queries as change_queries
from app.contact_history import listing
from app.contact_history.schemas import ContactHistorySchema
from app.db.engines import Snapshot
from app.web import ruled
from app.web.bulk import exporting
from app.web.streams.exporting import Rows

# Any: what the schemas load.


def rows(query: Mapping[str, Any]) -> Rows:
    """What `query` finds, in a snapshot of its own. Raises Invalid where its rule is not sound."""
    rule = ruled.for_export(query, of="contact_history")

    def read(snapshot: Snapshot) -> Generator[Sequence[Row[Any]], None, None]:
        with snapshot.watched():
            narrowed = listing.narrowed(snapshot.connection, query, rule)
        return listing.stream_entries(snapshot, customer_id=query["customer_id"], narrowed=narrowed, names=query["fields_"])

    return exporting.rows(ContactHistorySchema, query["fields_"], read, place=change_queries.get_snapshot)
