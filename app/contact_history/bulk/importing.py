"""How the lines of an import become interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from app.contact_history.bulk import items, service
from app.contact_history.bulk.footprint import Holder
from app.contact_history.bulk.service import How, Item, Synced
from app.contact_history.bulk.together import Together
from app.core.bulk import Result, Sent
from app.core.caller import Caller
from app.core.errors import KehuError
from app.core.syncing import Done, ExternalKey
from app.customers.bulk import service as customers
from app.db.unit_of_work import UnitOfWork
from app.web.streams.lines import Line

# Any: what the schemas load, and JSON.


class Entries:
    """Lines about interactions, for `app.web.bulk.importing`."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self._source = query["source"]
        self._how = How(restore=query["deleted"] is not None, create_missing=query["create_missing"] == "true")

    def find_synced(
        self, db: Connection, lines: Sequence[Line], keys: Sequence[ExternalKey | None]
    ) -> tuple[Sequence[tuple[Done, bytes] | None], Mapping[ExternalKey, Holder | None]]:
        asked = {key for key in keys if key is not None}
        holders = service.find_holders(db, keys=asked)
        looked = {**dict.fromkeys(asked), **holders}
        synced = service.find_synced(db, holders=holders)
        if not synced:
            return [None] * len(keys), looked
        # Whose it is may have changed without it: an external id that was detached and attached elsewhere.
        named = [items.customer_of_line(line.data or {}) for line in lines]
        owners = customers.find_ids(db, keys={one for one in named if isinstance(one, ExternalKey)})
        return [
            (found.done, found.digest)
            if key is not None and (found := synced.get(key)) is not None and _is_of(found, customer, owners)
            else None
            for key, customer in zip(keys, named, strict=True)
        ], looked

    def item(self, line: Line, digest: bytes) -> Item | KehuError:
        return items.of_line(line.data or {}, source=self._source, digest=digest)

    def decide(
        self, unit: UnitOfWork, caller: Caller, sent: Sequence[Sent[Item]], looked: Mapping[ExternalKey, Holder | None]
    ) -> tuple[Together, Sequence[Result]]:
        return service.decide(unit, caller, items=sent, how=self._how, looked=looked)


def _is_of(found: Synced, named: ExternalKey | str | None, owners: Mapping[ExternalKey, UUID]) -> bool:
    if isinstance(named, ExternalKey):
        return owners.get(named) == found.customer_id
    return named is None or named == str(found.customer_id)
