"""What a customer and its event become by a write, whichever way it came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.attributes import definition
from app.changes.log import Change, subject_of
from app.core.errors import FieldFault, Invalid
from app.core.syncing import ExternalKey
from app.customers import merging
from app.customers.book import Book
from app.customers.record import TOLD, CustomerRecord

# Any: values of a customer's fields.

_NO_METRICS = {"contact_count": 0, "order_count": 0, "order_total": {}, "metrics_version": 0}
# What a record holds of a customer of whom nothing was said, in its order.
_NEW: dict[str, Any] = {**dict.fromkeys(CustomerRecord._fields), **merging.DEFAULTS, **_NO_METRICS, "version": 1}
# What its event tells of the same.
_NEW_TOLD = {name: _NEW[name] for name in TOLD}


def create(book: Book, data: Mapping[str, Any], *, own: ExternalKey | None = None, customer_id: UUID | None = None) -> CustomerRecord:
    """A new customer, with an id that was made before where there is one. Raises Invalid, and Conflict where an external id is taken
    (Outrun where that is `own`)."""
    customer_id = customer_id or book.new_id()
    values = merging.new(data, definitions=book.definitions)
    _check_organization(book, customer_id, values.get("organization_id"))
    unit = book.unit
    now, told_now = unit.now, unit.now_text
    values["id"] = customer_id
    # By place, since all are there in their order: by name a record takes twice as long.
    record = CustomerRecord._make((_NEW | values | {"created_at": now, "updated_at": now, "xid": unit.xid}).values())
    told = _NEW_TOLD | values | {"created_at": told_now, "updated_at": told_now}
    book.insert(record, Change("customer.created", subject(customer_id), None, told, TOLD, customer_id), own=own)
    return record


def create_known_by(book: Book, key: ExternalKey, *, customer_id: UUID | None = None) -> CustomerRecord:
    """A new customer of whom nothing is known but an external id, which stood for nobody. Raises Outrun where it stands for somebody."""
    return create(book, {"source": key.source, "external_ids": {key.source: key.external_id}}, own=key, customer_id=customer_id)


def change(book: Book, before: CustomerRecord, patch: Mapping[str, Any], *, own: ExternalKey | None = None) -> CustomerRecord:
    """Write what `patch` changes of a customer, who is not deleted afterwards; `before` itself where that is nothing.

    Raises Invalid, and Conflict where an external id is taken (Outrun where that is `own`).
    """
    # Few changes touch attributes, and only those need to know what is defined.
    definitions = book.definitions if "attributes" in patch else definition.NONE
    changed = merging.merge(before._asdict(), patch, definitions=definitions)
    if "organization_id" in changed:
        _check_organization(book, before.id, changed["organization_id"])
    restored = before.deleted_at is not None
    if restored:
        changed["deleted_at"] = None
    if not changed:
        return before
    return _write(book, "customer.restored" if restored else "customer.updated", before, changed, own=own)


def delete(book: Book, before: CustomerRecord) -> CustomerRecord:
    """Mark a customer as deleted; its external ids stay its own."""
    return _write(book, "customer.deleted", before, {"deleted_at": book.unit.now})


def subject(customer_id: UUID) -> str:
    return subject_of("customers", customer_id)


def _check_organization(book: Book, customer_id: UUID, organization_id: UUID | None) -> None:
    """Raises Invalid where the organisation is no customer, or the customer itself."""
    if organization_id is None:
        return
    if organization_id == customer_id or not book.is_living(organization_id):
        fault = FieldFault("/organization_id", "organization_unknown", "This has to be the id of another customer.")
        raise Invalid([fault])


def _write(book: Book, kind: str, before: CustomerRecord, changed: Mapping[str, Any], *, own: ExternalKey | None = None) -> CustomerRecord:
    unit = book.unit
    after = before._replace(
        **changed,
        version=before.version + 1,
        # A writer that waited for the row began before the one that it waited for.
        updated_at=max(unit.now, before.updated_at),
        xid=unit.xid,
    )
    told = {name: getattr(after, name) for name in (*changed, "version", "updated_at")}
    was = {name: getattr(before, name) for name in changed}
    book.update(before, after, Change(kind, subject(before.id), was, told, tuple(changed), before.id), own=own)
    return after
