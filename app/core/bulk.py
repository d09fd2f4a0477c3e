"""Many writes in one unit of work: each decided as it would be alone, one after the other, whatever they are about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

from app.core.errors import Invalid, KehuError, NotAllOrNothing
from app.core.syncing import Done, Mode, Op

MODES = {Op.UPSERT: Mode.UPSERT, Op.CREATE: Mode.CREATE, Op.UPDATE: Mode.UPDATE}


class Item(Protocol):
    """One write among many, as its feature reads it."""

    @property
    def data_pointer(self) -> str:
        """Where in what was sent its data is: before the pointers to what is wrong with it."""


ItemT = TypeVar("ItemT", bound=Item)


# A tuple, since imports make millions of them.
class Unchanged(NamedTuple, Generic[ItemT]):
    """A line that alone has made something what it is, and is not looked at again: unless an earlier one of the same unit changes that
    first, for which `item` is kept."""

    done: Done
    item: Callable[[], ItemT | KehuError]


Sent: TypeAlias = ItemT | Unchanged[ItemT] | KehuError
Result = Done | KehuError


def decide_each(items: Sequence[Sent[ItemT]], *, decide: Callable[[ItemT], Done], is_written: Callable[[UUID], bool]) -> list[Result]:
    """What became of each item, in order; one that is refused is a KehuError, and one that is a KehuError already stays one.

    `is_written` says whether an earlier item has changed the thing with this id.
    """
    return [_one(sent, decide, is_written) for sent in items]


def all_or_nothing(results: Sequence[Result]) -> None:
    """Raises NotAllOrNothing where an item is refused."""
    refused = {index: result for index, result in enumerate(results) if isinstance(result, KehuError)}
    if refused:
        raise NotAllOrNothing(refused)


def _one(sent: Sent[ItemT], decide: Callable[[ItemT], Done], is_written: Callable[[UUID], bool]) -> Result:
    if isinstance(sent, Unchanged):
        if not is_written(sent.done.id):
            return sent.done
        sent = sent.item()
    if isinstance(sent, KehuError):
        return sent
    try:
        return decide(sent)
    except Invalid as error:
        return Invalid([replace(fault, pointer=f"{sent.data_pointer}{fault.pointer}") for fault in error.faults], code=error.code)
    except KehuError as error:
        return error.kept()
