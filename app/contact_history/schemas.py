"""Interactions as callers send and see them."""

from __future__ import annotations

import re
from typing import Any

import marshmallow

from app.contact_history.fields import Amount, Block, Currency
from app.contact_history.merging import BODY_SEARCHED
from app.contact_history.record import DIRECTIONS
from app.core import limits
from app.core.search import parse_query
from app.web import fields
from app.web.rule_fields import SearchSchema, chosen_names, rule_text
from app.web.schemas import AnswerSchema, PageQuerySchema, QuerySchema, Schema, chosen_fields

DELETED = ("exclude", "only")

_OPEN_ENUM = re.compile(r"[a-z0-9_]{1,64}\Z")
_KINDS = "Open list: call, email, message, meeting, visit, order, payment, return, ticket, review, note, campaign, …"
_CHANNELS = "Open list: phone, email, sms, wechat, chat, web, store, mail, in_person, social, other, …"

# Any: marshmallow's own arguments, and what schemas load.


def _open_enum(description: str, **kwargs: Any) -> fields.Line:
    # The example is what a request of the document's own making sends.
    metadata = {"description": description, "examples": [description.partition(": ")[2].partition(",")[0]]}
    return fields.Line(limits.SHORT_TEXT_MAX, pattern=_OPEN_ENUM, shape="1 to 64 of a-z, 0-9 and _", metadata=metadata, **kwargs)


def _text(length: int, description: str = "") -> fields.Line:
    return fields.Line(length, allow_none=True, metadata={"description": description} if description else {})


class _Writable(Schema):
    kind = _open_enum(_KINDS)
    channel = _open_enum(_CHANNELS, allow_none=True)
    direction = fields.Choice(*DIRECTIONS, allow_none=True)
    subject = _text(limits.SUBJECT_MAX)
    body = Block(limits.BODY_MAX, allow_none=True)
    outcome = _text(limits.NAME_MAX)
    agent = _text(limits.NAME_MAX, "Who of the company took part.")
    occurred_at = fields.Timestamp(metadata={"description": "At most 24 hours ahead; of a new one the present where it is left out."})
    duration_seconds = fields.Whole(least=0, most=limits.DURATION_MAX_SECONDS, allow_none=True)
    amount = Amount(allow_none=True, metadata={"description": "A decimal as text; written with the decimals of its currency."})
    currency = Currency(allow_none=True, metadata={"description": "ISO 4217; an amount needs it."})
    source = fields.Parsed(
        fields.check_source,
        {"pattern": f"^[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}$"},
        allow_none=True,
        metadata={"description": "The system that it comes from."},
    )
    external_id = fields.Parsed(
        fields.clean_external_id,
        {"maxLength": limits.EXTERNAL_ID_MAX},
        allow_none=True,
        metadata={"description": "The id that `source` has for it; the two together are unique. null detaches."},
    )
    attributes = fields.Attributes(allow_none=True)


class CustomerKeySchema(Schema):
    """The id by which another system knows a customer."""

    source = fields.Parsed(fields.check_source, {"pattern": f"^[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}$"}, required=True)
    external_id = fields.Parsed(fields.clean_external_id, {"maxLength": limits.EXTERNAL_ID_MAX}, required=True)


class ContactHistoryCreateSchema(_Writable):
    """A new interaction; what is left out is null or empty."""

    kind = _open_enum(_KINDS, required=True)


class ContactHistoryPatchSchema(_Writable):
    """A JSON merge patch (RFC 7396): what is left out stays, null clears. Naming another customer moves it there."""

    customer_id = fields.Id(metadata={"description": "Whose it is; instead of `customer`."})
    customer = fields.Part(CustomerKeySchema, metadata={"description": "Whose it is, by an external id; instead of `customer_id`."})


class ContactHistorySchema(AnswerSchema):
    """An interaction with a customer."""

    id = fields.Id()
    customer_id = fields.Id()
    kind = fields.Line(limits.SHORT_TEXT_MAX, metadata={"description": _KINDS})
    channel = _text(limits.SHORT_TEXT_MAX, _CHANNELS)
    direction = fields.Choice(*DIRECTIONS, allow_none=True)
    subject = _text(limits.SUBJECT_MAX)
    body = Block(limits.BODY_MAX, allow_none=True)
    outcome = _text(limits.NAME_MAX)
    agent = _text(limits.NAME_MAX)
    occurred_at = fields.Timestamp()
    duration_seconds = fields.Whole(least=0, allow_none=True)
    amount = Amount(allow_none=True)
    currency = Currency(allow_none=True)
    source = _text(limits.SOURCE_MAX)
    external_id = _text(limits.EXTERNAL_ID_MAX)
    attributes = marshmallow.fields.Dict()
    version = fields.Whole(least=1, metadata={"description": "Raised by every effective change."})
    created_at = fields.Timestamp()
    updated_at = fields.Timestamp()
    deleted_at = fields.Timestamp(allow_none=True, metadata={"description": "When it was withdrawn."})


class ContactHistoryItemSchema(ContactHistorySchema):
    """An interaction in a list: all fields, or those that `fields` names and `id`."""

    opt_in = frozenset(ContactHistorySchema._declared_fields) - {"id"}


class ContactHistoryPageSchema(AnswerSchema):
    opt_in = frozenset({"total"})

    data = marshmallow.fields.List(fields.Part(ContactHistoryItemSchema))
    next_cursor = fields.Parsed(str, allow_none=True)
    total = fields.Whole(least=0, metadata={"description": "With `count=exact`."})


def _q(**kwargs: Any) -> fields.Parsed:
    told = (
        f"Parts of subject, outcome and the first {BODY_SEARCHED} characters of the body; two characters or more, or one Chinese character."
    )
    return fields.Parsed(parse_query, {"maxLength": limits.QUERY_TEXT_MAX}, load_default=None, metadata={"description": told}, **kwargs)


def _deleted() -> fields.Choice:
    told = "`only`: those that were withdrawn."
    return fields.Choice(*DELETED, load_default="exclude", metadata={"default": "exclude", "description": told})


def _sort() -> fields.Choice:
    return fields.Choice("occurred_at", "-occurred_at", load_default="-occurred_at", metadata={"default": "-occurred_at"})


class _TimelineFilterSchema(QuerySchema):
    """What narrows a timeline."""

    filter = rule_text("kind = 'call' AND duration_seconds > 60")
    q = _q()
    kind = _open_enum("Such as: order", load_default=None)
    channel = _open_enum("Such as: phone", load_default=None)
    direction = fields.Choice(*DIRECTIONS, load_default=None)
    agent = fields.Line(limits.NAME_MAX, load_default=None)
    occurred_after = fields.Timestamp(load_default=None, metadata={"description": "Later than this."})
    occurred_before = fields.Timestamp(load_default=None, metadata={"description": "Earlier than this."})
    deleted = _deleted()


class ContactHistoryFilterQuerySchema(_TimelineFilterSchema):
    """What narrows a list over all customers."""

    customer_id = fields.Id(load_default=None, metadata={"description": "Those of one customer."})


class _PageSchema(PageQuerySchema):
    sort = _sort()
    count = fields.Choice("exact", load_default=None, metadata={"description": "`exact` adds `total`."})
    fields_ = chosen_fields(ContactHistorySchema)


class TimelineQuerySchema(_PageSchema, _TimelineFilterSchema):
    """A page of a timeline."""


class ContactHistoryPageQuerySchema(_PageSchema, ContactHistoryFilterQuerySchema):
    """A page of interactions of all customers."""


class ContactHistorySearchSchema(SearchSchema):
    """What to look for; what is left out narrows nothing."""

    q = _q(allow_none=True)
    deleted = _deleted()
    sort = _sort()
    fields_ = chosen_names(ContactHistorySchema)


class RestoreEntryQuerySchema(QuerySchema):
    deleted = fields.Choice(
        "restore",
        load_default=None,
        metadata={
            "description": "`restore`: a withdrawn interaction comes back by this write; else it is 410. A deleted customer does not."
        },
    )


class CreateMissingQuerySchema(QuerySchema):
    create_missing = fields.Choice(
        "true",
        "false",
        load_default="false",
        metadata={
            "default": "false",
            "description": "`true`: a `customer` that nobody knows is made, with nothing but that id; needs `customers:write` too.",
        },
    )


class UpsertEntryQuerySchema(RestoreEntryQuerySchema, CreateMissingQuerySchema):
    mode = fields.Choice("upsert", "create", "update", load_default="upsert", metadata={"default": "upsert"})
