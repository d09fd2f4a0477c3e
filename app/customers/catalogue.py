"""What rules about customers may name: the customer's fields, and the metrics that the contact history keeps on the row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Numeric, cast, func
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH

from app.core import codes, limits
from app.core.faults import Fault
from app.customers.models import Customer
from app.customers.record import KINDS, STATUSES
from app.db.base import table_of
from app.rules.catalogue import Entries, Family, Name
from app.rules.lists import EmailArray, JsonArray, TextArray
from app.rules.types import Type

# Any: expressions of any type.

_CUSTOMERS = table_of(Customer)

_SOURCE = re.compile(rf"[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}\Z")

_FIELDS: tuple[tuple[str, Type, str], ...] = (
    ("id", Type.ID, "The customer's id."),
    ("kind", Type.STRING, "A person or an organisation."),
    ("display_name", Type.STRING, "The name that is shown."),
    ("given_name", Type.STRING, "The given name."),
    ("family_name", Type.STRING, "The family name."),
    ("organization_name", Type.STRING, "The name of the organisation."),
    ("organization_id", Type.ID, "The customer that this one belongs to."),
    ("phone", Type.STRING, "The main number, in E.164."),
    ("birthday", Type.DATE, "The day of birth."),
    ("gender", Type.STRING, "The gender."),
    ("locale", Type.STRING, "The language and region, as a BCP 47 tag."),
    ("time_zone", Type.STRING, "The time zone, by its IANA name."),
    ("country", Type.STRING, "The country, ISO 3166-1 alpha-2."),
    ("status", Type.STRING, "Whether the customer is active, inactive or blocked."),
    ("lifecycle_stage", Type.STRING, "How far along the customer is: lead, prospect, customer, former and others."),
    ("owner", Type.STRING, "Who looks after the customer."),
    ("source", Type.STRING, "Where the customer was first heard of."),
    ("version", Type.INTEGER, "Raised by every effective change."),
    ("created_at", Type.TIMESTAMP, "When the customer was made here."),
    ("updated_at", Type.TIMESTAMP, "When the customer was last changed here."),
    ("source_updated_at", Type.TIMESTAMP, "When the sending system last changed it."),
    ("deleted_at", Type.TIMESTAMP, "When the customer was deleted."),
)

_METRICS: tuple[tuple[str, Type, str], ...] = (
    ("contact_count", Type.INTEGER, "How many entries the contact history has."),
    ("first_contact_at", Type.TIMESTAMP, "When the first entry was."),
    ("last_contact_at", Type.TIMESTAMP, "When the last entry was."),
    ("last_inbound_at", Type.TIMESTAMP, "When the customer last turned to us."),
    ("last_outbound_at", Type.TIMESTAMP, "When we last turned to the customer."),
    ("order_count", Type.INTEGER, "How many orders there are."),
    ("first_order_at", Type.TIMESTAMP, "When the first order was."),
    ("last_order_at", Type.TIMESTAMP, "When the last order was."),
)

_OF_ADDRESSES = ("label", "city", "region", "postal_code", "country")

_CHOICES = {"kind": KINDS, "status": STATUSES}


def entries() -> Entries:
    """The customer's part of the catalogue."""
    return Entries(names=tuple(_names()), families=(_EXTERNAL_IDS, _ORDER_TOTAL))


def _names() -> Iterator[Name]:
    for name, kind, meaning in _FIELDS:
        column = _CUSTOMERS.c[name]
        choices = _CHOICES.get(name, ())
        nullable = bool(column.nullable)
        yield Name(name=name, type=kind, meaning=meaning, kind="field", sql=column, choices=choices, nullable=nullable)
    yield _field("email", Type.EMAIL, "The main e-mail address, compared without case.", Customer.email_key)
    yield _field("alternate_emails", Type.EMAIL_LIST, "Further addresses, compared without case.", EmailArray(Customer.alternate_emails))
    yield _field("alternate_phones", Type.STRING_LIST, "Further numbers, in E.164.", TextArray(Customer.alternate_phones))
    yield _field("tags", Type.STRING_LIST, "The tags.", TextArray(Customer.tags))
    for part in _OF_ADDRESSES:
        found = func.jsonb_path_query_array(Customer.addresses, cast(f"$[*].{part}", JSONPATH), type_=JSONB)
        yield _field(f"addresses.{part}", Type.STRING_LIST, f"The `{part}` of every postal address.", JsonArray(found))
    for name, kind, meaning in _METRICS:
        column = _CUSTOMERS.c[name]
        yield Name(name=f"metrics.{name}", type=kind, meaning=meaning, kind="metric", sql=column, nullable=bool(column.nullable))


def _field(name: str, kind: Type, meaning: str, sql: Any) -> Name:
    return Name(name=name, type=kind, meaning=meaning, kind="field", sql=sql)


def _external_id(source: str) -> Name:
    if not _SOURCE.match(source):
        raise Fault("unknown_name", "Behind `external_ids.` stands a source: 1 to 64 of a-z, 0-9, `_`, `.` and `-`.")
    held = Customer.external_ids[source].astext
    return Name(name=f"external_ids.{source}", type=Type.STRING, meaning=_EXTERNAL_IDS.meaning, kind="field", sql=held)


def _order_total(currency: str) -> Name:
    codes.check_currency(currency)
    total = cast(Customer.order_total[currency].astext, Numeric)
    return Name(name=f"metrics.order_total.{currency}", type=Type.NUMBER, meaning=_ORDER_TOTAL.meaning, kind="metric", sql=total)


_EXTERNAL_IDS = Family(
    prefix="external_ids.",
    rest="source",
    type=Type.STRING,
    meaning="The id by which this source knows the customer; a source with a hyphen makes a name that stands in double quotes.",
    kind="field",
    find=_external_id,
)

_ORDER_TOTAL = Family(
    prefix="metrics.order_total.",
    rest="currency",
    type=Type.NUMBER,
    meaning="What the orders in this currency add up to; null where there is none.",
    kind="metric",
    find=_order_total,
)
