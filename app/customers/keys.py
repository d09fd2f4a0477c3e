"""External ids: which customer another system means by its own id."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from app.core.errors import Conflict, Outrun
from app.core.syncing import ExternalKey
from app.customers import queries
from app.db.unit_of_work import UnitOfWork


def claim(unit: UnitOfWork, customer_id: UUID, external_ids: Mapping[str, str], *, own: ExternalKey | None = None) -> None:
    """Take `external_ids` for the customer. Raises Conflict, naming the holder, where one of them is taken.

    Where `own` is taken, somebody else made that customer since we looked: raises Outrun, and the next try finds it.
    """
    claimed = queries.claim_keys(unit.connection, customer_id, external_ids)
    if own is not None and (own.source, own.external_id) not in claimed:
        raise Outrun
    for source, external_id in sorted(external_ids.items()):
        if (source, external_id) not in claimed:
            holder = queries.get_customer_id_by_key(unit.connection, source, external_id)
            if holder is None:
                # Released between our two statements.
                raise Outrun
            raise Conflict("external_id_taken", source=source, external_id=external_id, existing_id=holder)


def exchange(
    unit: UnitOfWork, customer_id: UUID, *, before: Mapping[str, str], after: Mapping[str, str], own: ExternalKey | None = None
) -> None:
    """Release what is only in `before` and claim what is only in `after`. Raises as `claim` does."""
    queries.release_keys(unit.connection, customer_id, {source: key for source, key in before.items() if after.get(source) != key})
    claim(unit, customer_id, {source: key for source, key in after.items() if before.get(source) != key}, own=own)
