"""Segments as callers send and see them."""

from __future__ import annotations

from typing import Any

import marshmallow

from app.core import limits
from app.core.text import clean_block
from app.customers.schemas import CustomerSchema
from app.segments.definition import DYNAMIC, KINDS
from app.segments.listing import SORTS, STATES
from app.web import fields
from app.web.rule_fields import RuleJson
from app.web.schemas import AnswerSchema, PageQuerySchema, QuerySchema, Schema, chosen_fields

# Any: marshmallow's own arguments.

_RULE_EXAMPLE = "country = 'CN' AND days_since(metrics.last_order_at) > 30"
_SORT_CHOICES = tuple(f"{sign}{name}" for name in SORTS for sign in ("", "-"))


def _description(value: str) -> str:
    return clean_block(value, max_length=limits.DESCRIPTION_MAX)


def _name_field(**more: Any) -> fields.Line:
    told = "Unique; rules name the segment by it: `in_segment('…')`."
    return fields.Line(limits.NAME_MAX, metadata={"description": told, "examples": ["quiet for 30 days"]}, **more)


def _description_field(**more: Any) -> fields.Parsed:
    return fields.Parsed(_description, {"maxLength": limits.DESCRIPTION_MAX}, allow_none=True, **more)


def _rule_text_field(**more: Any) -> fields.Parsed:
    told = "The rule in CQL2 text: the same as `rule`, of which one is enough."
    shape = {"maxLength": limits.RULE_TEXT_MAX, "examples": [_RULE_EXAMPLE]}
    return fields.Parsed(str, shape, allow_none=True, metadata={"description": told}, **more)


class SegmentCreateSchema(Schema):
    """A new segment: dynamic by a rule, or static with members that are put into it."""

    numbers = "decimal"

    name = _name_field(required=True)
    description = _description_field(load_default=None)
    kind = fields.Choice(*KINDS, load_default=DYNAMIC, metadata={"default": DYNAMIC})
    rule = RuleJson(load_default=None, allow_none=True)
    rule_text = _rule_text_field(load_default=None)


class SegmentPatchSchema(Schema):
    """A JSON merge patch (RFC 7396): what is left out stays, null clears."""

    numbers = "decimal"

    name = _name_field()
    description = _description_field()
    kind = fields.Choice(*KINDS, metadata={"description": "Cannot be changed."})
    rule = RuleJson(allow_none=True)
    rule_text = _rule_text_field()


class SegmentSchema(AnswerSchema):
    """A segment."""

    id = fields.Id()
    name = fields.Parsed(str)
    description = fields.Parsed(str, allow_none=True)
    kind = fields.Choice(*KINDS)
    rule = RuleJson(allow_none=True, metadata={"description": "In CQL2 JSON; null of a static segment."})
    rule_text = fields.Parsed(str, allow_none=True, metadata={"description": "The same in CQL2 text."})
    state = fields.Choice(*STATES, metadata={"description": "`filling`: the worker still evaluates a new rule; reads are right meanwhile."})
    member_count = fields.Whole(
        least=0, allow_none=True, metadata={"description": "As of `evaluated_at`; null while `filling`. `/count` counts now."}
    )
    evaluated_at = fields.Timestamp(allow_none=True, metadata={"description": "Up to when the worker has told who joined and left."})
    version = fields.Whole(least=1, metadata={"description": "Raised by every effective change."})
    created_at = fields.Timestamp()
    updated_at = fields.Timestamp()


class SegmentPageSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(SegmentSchema))
    next_cursor = fields.Parsed(str, allow_none=True)


class SegmentPageQuerySchema(PageQuerySchema):
    """A page of segments."""

    kind = fields.Choice(*KINDS, load_default=None)
    name = fields.Line(limits.NAME_MAX, load_default=None, metadata={"description": "The one of this name."})
    sort = fields.Choice(*_SORT_CHOICES, load_default="-created_at", metadata={"default": "-created_at"})


class MemberPageQuerySchema(PageQuerySchema):
    """A page of members."""

    sort = fields.Choice(
        *("created_at", "-created_at", "updated_at", "-updated_at"), load_default="-created_at", metadata={"default": "-created_at"}
    )
    count = fields.Choice("exact", load_default=None, metadata={"description": "`exact` adds `total`."})
    fields_ = chosen_fields(CustomerSchema)


class MemberExportQuerySchema(QuerySchema):
    """What an export of members shows."""

    fields_ = chosen_fields(CustomerSchema)


class CountSchema(AnswerSchema):
    count = fields.Whole(least=0, metadata={"description": "Exact, and now."})
