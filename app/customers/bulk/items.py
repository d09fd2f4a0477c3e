"""From what callers send to items about customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.core.errors import KehuError
from app.core.preconditions import NONE
from app.core.syncing import ExternalKey, Op
from app.customers.bulk.schemas import CustomerBatchItemSchema, CustomerImportLineSchema
from app.customers.bulk.service import Item
from app.web.bulk import items
from app.web.bulk.items import Addressed

# Any: JSON.

ITEM = CustomerBatchItemSchema()
_LINE = CustomerImportLineSchema()


def of_batch(sent: Addressed) -> Item:
    """One item of a batch."""
    return Item(
        op=sent.op,
        key=sent.key,
        customer_id=sent.id,
        data=sent.data,
        match=sent.loaded["match"] or (),
        precondition=sent.precondition,
        data_pointer="/data",
    )


def key_of_lookup(sent: Mapping[str, Any], *, pointer: str) -> Any:
    """The id or the external key that an item of a look-up names. Raises Invalid."""
    items.check_address(Op.UPDATE, sent, pointer=pointer)
    return sent["id"] if sent["id"] is not None else ExternalKey(sent["source"], sent["external_id"])


def of_line(data: Mapping[str, Any], *, source: str | None, match: Sequence[str], digest: bytes) -> Item | KehuError:
    """One line of an import, or what is wrong with it."""
    try:
        op, key, said = items.of_line(_LINE, data, source=source)
    except KehuError as error:
        return error.kept()
    return Item(op=op, key=key, customer_id=None, data=said, match=match, precondition=NONE, digest=digest)
