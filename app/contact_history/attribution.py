"""Whose an interaction is: the customer that a body names by its id, or by the id that another system has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from app.attributes import held
from app.contact_history import writing
from app.contact_history.book import Book
from app.core.errors import FieldFault, Invalid
from app.core.syncing import ExternalKey

# Any: values of an interaction's fields.

# What names the customer in a body, and is no field of the interaction itself.
NAMES = ("customer_id", "customer")


# A tuple, since imports make millions of them.
class Owner(NamedTuple):
    """A customer that was named at `pointer`; `customer_id` None: it is still to be made, known by `key`."""

    pointer: str
    customer_id: UUID | None
    key: ExternalKey | None = None


def find(book: Book, data: Mapping[str, Any], *, create_missing: bool) -> Owner | None:
    """The customer that `data` names, None where it names none.

    Raises Invalid where it names one in both ways, or by an external id that stands for nobody and with `create_missing` not asked for.
    """
    customer_id, key = data.get("customer_id"), key_of(data)
    if customer_id is not None and key is not None:
        raise Invalid([FieldFault("/customer", "customer_named_twice", "Name the customer by `customer_id` or by `customer`.")])
    if customer_id is not None:
        return Owner("/customer_id", customer_id)
    if key is None:
        return None
    found = book.find_customer(key)
    if found is None and not create_missing:
        raise writing.unknown_customer("/customer")
    return Owner("/customer", found, key)


def key_of(data: Mapping[str, Any]) -> ExternalKey | None:
    """The external id by which `data` names the customer, if it does so."""
    named = data.get("customer")
    return None if named is None else ExternalKey(named["source"], named["external_id"])


def settle(book: Book, owner: Owner, *, holder: UUID | None) -> UUID:
    """The id of `owner`, who is made now where that is still to be done; `holder`: whose the interaction is so far."""
    if owner.customer_id is not None:
        return owner.customer_id
    assert owner.key is not None
    try:
        held.definitions(book.unit).check_complete({})
    except Invalid as error:
        # What the customer lacks is not the interaction's to have.
        told = "A new customer cannot be made of this: `{}`: {}"
        raise Invalid([FieldFault(owner.pointer, one.code, told.format(one.pointer, one.detail)) for one in error.faults]) from error
    return book.make_customer(owner.key, holder=holder)


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `data` says of the interaction itself."""
    said = dict(data)
    for name in NAMES:
        said.pop(name, None)
    return said
