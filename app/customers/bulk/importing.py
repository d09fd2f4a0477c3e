"""How the lines of an import become customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from app.core.bulk import Result, Sent
from app.core.caller import Caller
from app.core.errors import KehuError
from app.core.syncing import Done, ExternalKey
from app.customers.bulk import items, service
from app.customers.bulk.service import Item
from app.customers.bulk.together import Together
from app.db.unit_of_work import UnitOfWork
from app.web.streams.lines import Line

# Any: what the schemas load.


class Customers:
    """Lines about customers, for `app.web.bulk.importing`."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self._source = query["source"]
        self._match = query["match"] or ()
        self._restore = query["deleted"] is not None

    def find_synced(
        self, db: Connection, lines: Sequence[Line], keys: Sequence[ExternalKey | None]
    ) -> tuple[Sequence[tuple[Done, bytes] | None], Mapping[ExternalKey, UUID | None]]:
        asked = {key for key in keys if key is not None}
        ids = service.find_ids(db, keys=asked)
        found = service.find_synced(db, ids=ids)
        known = (None if key is None else found.get(key) for key in keys)
        return [
            None if one is None else (one.done, service.digest_under(one.edition, one.digest, line.data or {}))
            for one, line in zip(known, lines, strict=True)
        ], {**dict.fromkeys(asked), **ids}

    def item(self, line: Line, digest: bytes) -> Item | KehuError:
        return items.of_line(line.data or {}, source=self._source, match=self._match, digest=digest)

    def decide(
        self, unit: UnitOfWork, caller: Caller, sent: Sequence[Sent[Item]], looked: Mapping[ExternalKey, UUID | None]
    ) -> tuple[Together, Sequence[Result]]:
        return service.decide(unit, caller, items=sent, restore=self._restore, looked=looked)
