"""Customers by the ids of other systems: the calls that an e-commerce sync is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection

from app.attributes import queries as attribute_queries
from app.core.caller import Caller
from app.core.errors import Conflict, FieldFault, Invalid, NotFound, Outrun
from app.core.ids import new_id
from app.core.preconditions import Precondition
from app.customers import keys, merging, queries, service, writing
from app.customers.record import CustomerRecord, ExternalKey
from app.db.unit_of_work import UnitOfWork

# Any: values of a customer's fields.


class Mode(Enum):
    """What an upsert may do."""

    UPSERT = "upsert"
    CREATE = "create"
    UPDATE = "update"


class Outcome(Enum):
    """What an upsert did. STALE: what is stored is newer by the source's own time, so nothing."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Synced:
    record: CustomerRecord
    outcome: Outcome


def get(db: Connection, *, key: ExternalKey) -> CustomerRecord:
    """Raises NotFound, or Gone where it is deleted."""
    customer_id = queries.get_customer_id_by_key(db, key.source, key.external_id)
    if customer_id is None:
        raise NotFound
    return service.get(db, customer_id=customer_id)


def upsert(
    unit: UnitOfWork,
    caller: Caller,
    *,
    key: ExternalKey,
    data: Mapping[str, Any],
    mode: Mode,
    restore: bool,
    precondition: Precondition,
) -> Synced:
    """The customer that `key` stands for, made or changed by the merge patch `data`. With `restore` a deleted one comes back by it.

    Raises NotFound (Mode.UPDATE and there is none), Gone, PreconditionRequired, PreconditionFailed, Invalid, and Conflict (an external id
    is taken; Mode.CREATE and there is one).
    """
    _refuse_other_id(key, data)
    before = _to_change_by_key(unit, key)
    if before is None:
        if mode is Mode.UPDATE:
            raise NotFound
        precondition.check_absent()
        return Synced(_create(unit, caller, key, data), Outcome.CREATED)
    if not restore:
        service.living(before)
    precondition.check(before.version)
    if mode is Mode.CREATE:
        raise Conflict("external_id_taken", source=key.source, external_id=key.external_id, existing_id=before.id)
    if _is_stale(before, data):
        # Nor restored: a message that comes late must not bring back whom somebody deleted since.
        return Synced(before, Outcome.STALE)
    after = writing.change(unit, caller, before=before, patch=data)
    return Synced(after, Outcome.UNCHANGED if after is before else Outcome.UPDATED)


def detach(unit: UnitOfWork, caller: Caller, *, key: ExternalKey, precondition: Precondition) -> None:
    """Take the external id away from its customer. Raises NotFound, Gone, PreconditionRequired, PreconditionFailed."""
    before = _to_change_by_key(unit, key)
    if before is None:
        raise NotFound
    service.living(before)
    precondition.check(before.version)
    writing.change(unit, caller, before=before, patch={"external_ids": {key.source: None}})


def _to_change_by_key(unit: UnitOfWork, key: ExternalKey) -> CustomerRecord | None:
    """Two statements and no join: keys and customers may live on different nodes."""
    customer_id = queries.get_customer_id_by_key(unit.connection, key.source, key.external_id)
    if customer_id is None:
        return None
    record = service.to_change(unit, customer_id)
    if record.external_ids.get(key.source) != key.external_id:
        # Detached, and perhaps attached elsewhere, between the two statements.
        raise Outrun
    return record


def _create(unit: UnitOfWork, caller: Caller, key: ExternalKey, data: Mapping[str, Any]) -> CustomerRecord:
    external_ids = {**data.get("external_ids", {}), key.source: key.external_id}
    # The source of the address is where the customer was first heard of, unless the caller knows better.
    said = {"source": key.source, **data, "external_ids": external_ids}
    values = merging.new(said, definitions=attribute_queries.list_definitions(unit.connection))
    customer_id = new_id()
    writing.check_organization(unit, customer_id, values["organization_id"])
    keys.claim(unit, customer_id, values["external_ids"], own=key)
    return writing.insert(unit, caller, customer_id=customer_id, values=values)


def _is_stale(before: CustomerRecord, data: Mapping[str, Any]) -> bool:
    sent, stored = data.get("source_updated_at"), before.source_updated_at
    return sent is not None and stored is not None and bool(sent < stored)


def _refuse_other_id(key: ExternalKey, data: Mapping[str, Any]) -> None:
    """The address says which id the customer has at its source; a body that says otherwise is a mistake, whichever is meant.

    `external_ids: null` would detach every id, and so this one.
    """
    if "external_ids" not in data:
        return
    given = data["external_ids"]
    if given is None or given.get(key.source, key.external_id) != key.external_id:
        pointer = "/external_ids" if given is None else f"/external_ids/{key.source}"
        raise Invalid([FieldFault(pointer, "external_id_differs", "This is not the external id that the address names.")])
