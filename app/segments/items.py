"""Items of a batch of members: from what callers send to what is to be done, and from what became of them to what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.bulk import Result
from app.core.errors import FieldFault, Invalid, KehuError
from app.core.syncing import ExternalKey, Op
from app.segments.putting import Item
from app.segments.schemas import MemberBatchItemSchema
from app.web.bulk import items
from app.web.schemas import load_body

# Any: JSON.

_ITEM = MemberBatchItemSchema()


def read(sent: Any) -> Item | KehuError:
    """What is wrong with an item is its own, and leaves the others as they are."""
    if not isinstance(sent, dict):
        return Invalid([FieldFault("", "wrong_type", "An item has to be an object.")])
    try:
        loaded = load_body(_ITEM, sent)
        items.check_address(Op.UPDATE, loaded)
    except KehuError as error:
        return error.kept()
    return Item(loaded["id"] or ExternalKey(loaded["source"], loaded["external_id"]), is_in=loaded["op"] == "add")


def shown(sent: Sequence[Any], results: Sequence[Result], *, request_id: str) -> list[dict[str, Any]]:
    found = (items.shown(index, sent[index], result, request_id=request_id) for index, result in enumerate(results))
    return [one | {"version": None} for one in found]
