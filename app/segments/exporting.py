"""Members as an export shows them: as the customers' own does."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from app.changes import queries as change_queries
from app.customers.bulk.exporting import PARTS
from app.customers.schemas import CustomerSchema
from app.db.engines import Snapshot
from app.segments import members
from app.web.bulk import exporting
from app.web.frame import runtime
from app.web.streams.exporting import Rows

# Any: what the schemas load.


def rows(segment_id: UUID, query: Mapping[str, Any]) -> Rows:
    """All members, in a snapshot of its own. Raises NotFound, and Conflict where the rule is broken."""
    catalogue = runtime().catalogues["customers"]

    def read(snapshot: Snapshot) -> Generator[Sequence[Row[Any]], None, None]:
        return members.stream(snapshot, catalogue, segment_id=segment_id, names=query["fields_"])

    return exporting.rows(CustomerSchema, query["fields_"], read, place=change_queries.get_snapshot, parts=PARTS)
