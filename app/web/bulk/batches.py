"""A batch: items in, each with its result out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from app.core import bulk
from app.core.bulk import Result
from app.core.errors import KehuError
from app.core.preconditions import Precondition
from app.web.answers import Answer
from app.web.bulk import items
from app.web.bulk.items import Addressed
from app.web.bulk.schemas import BatchItemSchema
from app.web.frame import Write, runtime

# Any: JSON, and what the schemas load.

ItemT = TypeVar("ItemT")


def answer(
    call: Write,
    body: Mapping[str, Any],
    query: Mapping[str, Any],
    *,
    schema: BatchItemSchema,
    make: Callable[[Addressed], ItemT],
    apply: Callable[[Sequence[ItemT | KehuError]], Sequence[Result]],
) -> Answer:
    """Each item is read by `schema` and `make`, and all that can be read are written by `apply`. Raises NotAllOrNothing."""
    unsaid = Precondition(required=runtime().config.require_if_match)
    results = apply([_read(schema, sent, make, unsaid) for sent in body["items"]])
    if query["atomic"] == "true":
        bulk.all_or_nothing(results)
    request_id = call.caller.request_id
    shown = [items.shown(index, body["items"][index], result, request_id=request_id) for index, result in enumerate(results)]
    return Answer(dumped={"results": shown})


def _read(schema: BatchItemSchema, sent: Any, make: Callable[[Addressed], ItemT], unsaid: Precondition) -> ItemT | KehuError:
    try:
        return make(items.of_batch(schema, sent, unsaid=unsaid))
    except KehuError as error:
        return error.kept()
