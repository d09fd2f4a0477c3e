"""Whose an interaction is: the customer that a body names by its id, or by the id that another system has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.contact_history import metering, writing
from app.core.caller import Caller
from app.core.errors import FieldFault, Invalid
from app.core.syncing import ExternalKey
from app.customers import queries as customer_queries
from app.customers import writing as customer_writing
from app.customers.direct import Direct
from app.db.unit_of_work import UnitOfWork

# Any: values of an interaction's fields.

# What names the customer in a body, and is no field of the interaction itself.
NAMES = ("customer_id", "customer")


@dataclass(frozen=True, slots=True)
class Owner:
    """A customer that was named at `pointer`; `customer_id` None: it is still to be made, known by `key`."""

    pointer: str
    customer_id: UUID | None
    key: ExternalKey | None = None


def find(unit: UnitOfWork, data: Mapping[str, Any], *, create_missing: bool) -> Owner | None:
    """The customer that `data` names, None where it names none.

    Raises Invalid where it names one in both ways, or by an external id that stands for nobody and with `create_missing` not asked for.
    """
    customer_id, named = data.get("customer_id"), data.get("customer")
    key = None if named is None else ExternalKey(**named)
    if customer_id is not None and key is not None:
        raise Invalid([FieldFault("/customer", "customer_named_twice", "Name the customer by `customer_id` or by `customer`.")])
    if customer_id is not None:
        return Owner("/customer_id", customer_id)
    if key is None:
        return None
    found = customer_queries.get_customer_id_by_key(unit.connection, key.source, key.external_id)
    if found is None and not create_missing:
        raise writing.unknown_customer("/customer")
    return Owner("/customer", found, key)


def settle(unit: UnitOfWork, caller: Caller, owner: Owner, *, holder: UUID | None) -> UUID:
    """The id of `owner`, who is made now where that is still to be done.

    `holder`, whose the interaction is so far, is locked before: a customer's row comes before the external ids of customers.
    """
    if owner.customer_id is not None:
        return owner.customer_id
    assert owner.key is not None
    if holder is not None:
        metering.lock(unit, [holder])
    said = {"source": owner.key.source, "external_ids": {owner.key.source: owner.key.external_id}}
    try:
        return customer_writing.create(Direct(unit, caller), said, own=owner.key).id
    except Invalid as error:
        # What the customer lacks, as a required attribute, is not the interaction's to have.
        told = "A new customer cannot be made of this: `{}`: {}"
        raise Invalid([FieldFault(owner.pointer, one.code, told.format(one.pointer, one.detail)) for one in error.faults]) from error


def fields_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What `data` says of the interaction itself."""
    return {name: value for name, value in data.items() if name not in NAMES}
