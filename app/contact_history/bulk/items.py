"""From what callers send to items about interactions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.contact_history.bulk.schemas import ContactHistoryBatchItemSchema, ContactHistoryImportLineSchema
from app.contact_history.bulk.service import Item
from app.core.errors import KehuError
from app.core.preconditions import NONE
from app.core.syncing import ExternalKey
from app.web.bulk import items
from app.web.bulk.items import Addressed

# Any: JSON.

ITEM = ContactHistoryBatchItemSchema()
_LINE = ContactHistoryImportLineSchema()


def of_batch(sent: Addressed) -> Item:
    """One item of a batch."""
    return Item(op=sent.op, key=sent.key, entry_id=sent.id, data=sent.data, precondition=sent.precondition, data_pointer="/data")


def of_line(data: Mapping[str, Any], *, source: str | None, digest: bytes) -> Item | KehuError:
    """One line of an import, or what is wrong with it."""
    try:
        op, key, said = items.of_line(_LINE, data, source=source)
    except KehuError as error:
        return error.kept()
    return Item(op=op, key=key, entry_id=None, data=said, precondition=NONE, digest=digest)


def customer_of_line(data: Mapping[str, Any]) -> ExternalKey | str | None:
    """Whom a line names, by an external id or by the id, without a look at the rest of it; None: nobody."""
    named = data.get("customer")
    if isinstance(named, dict):
        return items.key_of_line(named, source=None)
    customer_id = data.get("customer_id")
    return customer_id if isinstance(customer_id, str) else None
