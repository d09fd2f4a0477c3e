"""Customers as callers send and see them."""

from __future__ import annotations

import re
from typing import Any

import marshmallow
from marshmallow import ValidationError

from app.core import limits
from app.core.faults import Fault
from app.core.search import SearchQuery, parse_query
from app.core.syncing import ExternalKey
from app.customers.listing import SORTS
from app.customers.matching import BY
from app.customers.record import KINDS, STATUSES
from app.web import fields
from app.web.rule_fields import SearchSchema, chosen_names, rule_text
from app.web.schemas import AnswerSchema, PageQuerySchema, QuerySchema, Schema, chosen_fields

DELETED = ("exclude", "include", "only")

_OPEN_ENUM = re.compile(r"[a-z0-9_]{1,64}\Z")
_SORT_CHOICES = tuple(name for column in SORTS for name in (column, f"-{column}"))


def _text(length: int, description: str = "") -> fields.Line:
    return fields.Line(length, allow_none=True, metadata={"description": description} if description else {})


class AddressSchema(Schema):
    """A postal address."""

    label = fields.Line(limits.SHORT_TEXT_MAX, allow_none=True, load_default=None)
    line1 = fields.Line(limits.ADDRESS_LINE_MAX, allow_none=True, load_default=None)
    line2 = fields.Line(limits.ADDRESS_LINE_MAX, allow_none=True, load_default=None)
    city = fields.Line(limits.ADDRESS_LINE_MAX, allow_none=True, load_default=None)
    region = fields.Line(limits.ADDRESS_LINE_MAX, allow_none=True, load_default=None)
    postal_code = fields.Line(limits.SHORT_TEXT_MAX, allow_none=True, load_default=None)
    country = fields.Country(allow_none=True, load_default=None)
    primary = fields.Truth(load_default=False, metadata={"default": False})


class CustomerAddressSchema(AnswerSchema):
    """A postal address, with every field."""

    label = _text(limits.SHORT_TEXT_MAX)
    line1 = _text(limits.ADDRESS_LINE_MAX)
    line2 = _text(limits.ADDRESS_LINE_MAX)
    city = _text(limits.ADDRESS_LINE_MAX)
    region = _text(limits.ADDRESS_LINE_MAX)
    postal_code = _text(limits.SHORT_TEXT_MAX)
    country = fields.Country(allow_none=True)
    primary = fields.Truth()


class CustomerMetricsSchema(AnswerSchema):
    """What the contact history adds up to; read-only."""

    contact_count = fields.Whole(least=0)
    first_contact_at = fields.Timestamp(allow_none=True)
    last_contact_at = fields.Timestamp(allow_none=True)
    last_inbound_at = fields.Timestamp(allow_none=True)
    last_outbound_at = fields.Timestamp(allow_none=True)
    order_count = fields.Whole(least=0)
    order_total = marshmallow.fields.Dict(
        keys=fields.Parsed(str),
        values=fields.Parsed(str),
        metadata={"description": "`{currency: amount}`, the amount a decimal string."},
    )
    first_order_at = fields.Timestamp(allow_none=True)
    last_order_at = fields.Timestamp(allow_none=True)


class _Addresses(fields.Items):
    """Addresses, at most one of them the primary one."""

    def finish(self, items: list[Any]) -> list[Any]:  # Any: what the items are loaded as
        primary = [index for index, item in enumerate(items) if item["primary"]]
        if len(primary) > 1:
            raise ValidationError({primary[1]: {"primary": [Fault("second_primary", "Only one address can be the primary one.")]}})
        return items


class _Writable(Schema):
    kind = fields.Choice(*KINDS)
    display_name = _text(limits.NAME_MAX)
    given_name = _text(limits.NAME_MAX)
    family_name = _text(limits.NAME_MAX)
    organization_name = _text(limits.NAME_MAX)
    organization_id = fields.Id(allow_none=True, metadata={"description": "The customer that this one belongs to."})
    email = fields.Email(allow_none=True)
    phone = fields.Phone(
        allow_none=True, metadata={"description": "Becomes E.164; a number without country prefix is read as one of `country`."}
    )
    alternate_emails = fields.Items(fields.Email(), most=limits.ALTERNATES_MAX, unique=True, allow_none=True)
    alternate_phones = fields.Items(fields.Phone(), most=limits.ALTERNATES_MAX, unique=True, allow_none=True)
    birthday = fields.Date(allow_none=True)
    gender = _text(limits.SHORT_TEXT_MAX)
    locale = fields.Locale(allow_none=True, metadata={"description": "BCP 47."})
    time_zone = fields.TimeZone(allow_none=True, metadata={"description": "A name of the IANA time zone database."})
    country = fields.Country(allow_none=True, metadata={"description": "ISO 3166-1 alpha-2."})
    addresses = _Addresses(
        fields.Part(AddressSchema),
        most=limits.ADDRESSES_MAX,
        allow_none=True,
        metadata={"description": "At most one of them `primary`."},
    )
    tags = fields.Items(fields.Line(limits.TAG_MAX), most=limits.TAGS_MAX, unique=True, allow_none=True)
    status = fields.Choice(*STATUSES)
    lifecycle_stage = fields.Line(
        limits.SHORT_TEXT_MAX,
        pattern=_OPEN_ENUM,
        shape="1 to 64 of a-z, 0-9 and _",
        allow_none=True,
        metadata={"description": "Open list: lead, prospect, customer, former, …"},
    )
    owner = _text(limits.NAME_MAX, "Who looks after this customer.")
    source = fields.Parsed(
        fields.check_source,
        {"pattern": f"^[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}$"},
        allow_none=True,
        metadata={"description": "Where the customer was first heard of."},
    )
    external_ids = fields.ExternalIds(allow_none=True, metadata={"description": "`{source: id}`, at most one a source; null detaches."})
    attributes = fields.Attributes(allow_none=True)
    source_updated_at = fields.Timestamp(allow_none=True, metadata={"description": "When the sending system last changed it."})


class CustomerCreateSchema(_Writable):
    """A new customer; what is left out is null or empty."""


class CustomerPatchSchema(_Writable):
    """A JSON merge patch (RFC 7396): what is left out stays, null clears."""


class CustomerSchema(AnswerSchema):
    """A customer."""

    id = fields.Id()
    kind = fields.Choice(*KINDS)
    display_name = _text(limits.NAME_MAX)
    given_name = _text(limits.NAME_MAX)
    family_name = _text(limits.NAME_MAX)
    organization_name = _text(limits.NAME_MAX)
    organization_id = fields.Id(allow_none=True)
    email = fields.Email(allow_none=True)
    phone = fields.Phone(allow_none=True, metadata={"description": "E.164."})
    alternate_emails = marshmallow.fields.List(fields.Email())
    alternate_phones = marshmallow.fields.List(fields.Phone())
    birthday = fields.Date(allow_none=True)
    gender = _text(limits.SHORT_TEXT_MAX)
    locale = fields.Locale(allow_none=True)
    time_zone = fields.TimeZone(allow_none=True)
    country = fields.Country(allow_none=True)
    addresses = marshmallow.fields.List(fields.Part(CustomerAddressSchema))
    tags = marshmallow.fields.List(fields.Line(limits.TAG_MAX))
    status = fields.Choice(*STATUSES)
    lifecycle_stage = _text(limits.SHORT_TEXT_MAX, "Open list.")
    owner = _text(limits.NAME_MAX)
    source = _text(limits.SOURCE_MAX)
    external_ids = marshmallow.fields.Dict(keys=fields.Parsed(str), values=fields.Parsed(str))
    attributes = marshmallow.fields.Dict()
    metrics = fields.SameRow(CustomerMetricsSchema)
    version = fields.Whole(least=1, metadata={"description": "Raised by every effective change."})
    created_at = fields.Timestamp()
    updated_at = fields.Timestamp()
    source_updated_at = fields.Timestamp(allow_none=True)
    deleted_at = fields.Timestamp(allow_none=True)


class CustomerItemSchema(CustomerSchema):
    """A customer in a list: all fields, or those that `fields` names and `id`."""

    opt_in = frozenset(CustomerSchema._declared_fields) - {"id"}


class CustomerPageSchema(AnswerSchema):
    opt_in = frozenset({"total"})

    data = marshmallow.fields.List(fields.Part(CustomerItemSchema))
    next_cursor = fields.Parsed(str, allow_none=True)
    total = fields.Whole(least=0, metadata={"description": "With `count=exact`."})


_ATTRIBUTE_SORT = re.compile(rf"-?attributes\.[A-Za-z][A-Za-z0-9_]{{0,{limits.ATTRIBUTE_NAME_MAX - 1}}}\Z")


def _sort(value: str) -> str:
    if value not in _SORT_CHOICES and not _ATTRIBUTE_SORT.match(value):
        raise Fault("not_a_choice", f"This has to be one of {', '.join(_SORT_CHOICES)}, or attributes.<name> with or without a minus.")
    return value


class _Sort(fields.Parsed):
    """What a list is sorted by; a minus turns it around."""

    def __init__(self) -> None:
        shape = f"^-?({'|'.join(SORTS)}|attributes\\.[A-Za-z][A-Za-z0-9_]*)$"
        told = (
            f"{', '.join(_SORT_CHOICES)}, or a custom attribute: `attributes.<name>`, a text by its first"
            f" {limits.ATTRIBUTE_SORTED_TEXT_MAX} characters. Customers without a value come last."
        )
        super().__init__(_sort, {"pattern": shape}, load_default="-created_at", metadata={"default": "-created_at", "description": told})


def _search(value: str) -> SearchQuery:
    return parse_query(value)


def _key(value: str) -> ExternalKey:
    source, colon, external_id = value.partition(":")
    if not colon:
        raise Fault("wrong_shape", "This has to be <source>:<id>.")
    return ExternalKey(fields.check_source(source), fields.clean_external_id(external_id))


def _phone(value: str) -> str:
    # In an address a plus sign that is not percent-encoded reads as a space, and there is no other use of a space before a number.
    return fields.e164("+" + value[1:] if value.startswith(" ") else value)


class CustomerFilterQuerySchema(QuerySchema):
    """What narrows a list of customers."""

    filter = rule_text("country = 'CN' AND days_since(metrics.last_order_at) > 30")
    q = fields.Parsed(
        _search,
        {"maxLength": limits.QUERY_TEXT_MAX},
        load_default=None,
        metadata={"description": "Parts of names, e-mails, phones and organisations; two characters or more, or one Chinese character."},
    )
    email = fields.Email(load_default=None, metadata={"description": "The main address, compared without case."})
    phone = fields.Parsed(_phone, load_default=None, metadata={"description": "The main number with its country prefix, however written."})
    external_id = fields.Parsed(_key, load_default=None, metadata={"description": "`<source>:<id>`"})
    tag = fields.Line(limits.TAG_MAX, load_default=None)
    country = fields.Country(load_default=None)
    status = fields.Choice(*STATUSES, load_default=None)
    owner = fields.Line(limits.NAME_MAX, load_default=None)
    updated_after = fields.Timestamp(load_default=None, metadata={"description": "Later than this."})
    updated_before = fields.Timestamp(load_default=None, metadata={"description": "Earlier than this."})
    created_after = fields.Timestamp(load_default=None, metadata={"description": "Later than this."})
    created_before = fields.Timestamp(load_default=None, metadata={"description": "Earlier than this."})
    deleted = fields.Choice(*DELETED, load_default="exclude", metadata={"default": "exclude"})


class CustomerPageQuerySchema(PageQuerySchema, CustomerFilterQuerySchema):
    """A page of customers."""

    sort = _Sort()
    count = fields.Choice("exact", load_default=None, metadata={"description": "`exact` adds `total`."})
    fields_ = chosen_fields(CustomerSchema)


def _match(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    if not set(names) <= set(BY):
        raise Fault("not_a_choice", f"This has to be one of {', '.join(BY)}, or both with a comma between.")
    return names


def match_field() -> fields.Parsed:
    """Which identifiers may find a customer beside external ids."""
    return fields.Parsed(
        _match,
        {"pattern": "^(email|phone)(,(email|phone))*$"},
        load_default=None,
        metadata={"description": "`email`, `phone` or `email,phone`: look for the customer by these too, living ones, by the main ones."},
    )


class CustomerSearchSchema(SearchSchema):
    """What to look for; what is left out narrows nothing."""

    q = fields.Parsed(_search, {"maxLength": limits.QUERY_TEXT_MAX}, load_default=None, allow_none=True)
    deleted = fields.Choice(*DELETED, load_default="exclude", metadata={"default": "exclude"})
    sort = _Sort()
    fields_ = chosen_names(CustomerSchema)


class MatchQuerySchema(QuerySchema):
    match = match_field()


class RestoreQuerySchema(QuerySchema):
    deleted = fields.Choice(
        "restore",
        load_default=None,
        metadata={"description": "`restore`: a deleted customer comes back by this write; else it is 410."},
    )


class PatchQuerySchema(RestoreQuerySchema, MatchQuerySchema):
    """How a change finds its customer and meets others."""


class UpsertQuerySchema(PatchQuerySchema):
    mode = fields.Choice("upsert", "create", "update", load_default="upsert", metadata={"default": "upsert"})


class ChangePageQuerySchema(PageQuerySchema):
    """Newest first."""
