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
from app.web.bulk.schemas import LooseItems, external_id_field, source_field
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


class MemberSchema(AnswerSchema):
    """A customer in a static segment."""

    segment_id = fields.Id()
    customer_id = fields.Id()
    entered_at = fields.Timestamp()


class MemberBatchItemSchema(Schema):
    """Put in or take out the customer with `id`, or the one that `source` and `external_id` stand for."""

    op = fields.Choice("add", "remove", load_default="add", metadata={"default": "add"})
    id = fields.Id(load_default=None)
    source = source_field(load_default=None)
    external_id = external_id_field(load_default=None)
    client_ref = fields.Line(limits.EXTERNAL_ID_MAX, load_default=None, metadata={"description": "Comes back with the result."})


class MemberBatchSchema(Schema):
    """Customers to put in or to take out, in order."""

    items = LooseItems(
        fields.Part(MemberBatchItemSchema),
        least=1,
        most=limits.BATCH_MAX,
        required=True,
        metadata={"examples": [[{"op": "add", "source": "shopify", "external_id": "1001"}]]},
    )


class SegmentPreviewSchema(Schema):
    """A rule, as `rule` or as `rule_text`, and the segment to compare it with."""

    numbers = "decimal"

    rule = RuleJson(load_default=None, allow_none=True)
    rule_text = _rule_text_field(load_default=None)
    segment_id = fields.Id(load_default=None, allow_none=True)


class PreviewSchema(AnswerSchema):
    """What a rule finds now."""

    count = fields.Whole(least=0)
    joined = fields.Whole(
        least=0, allow_none=True, metadata={"description": "Of these, who are not in the segment as it is; null without `segment_id`."}
    )
    left = fields.Whole(least=0, allow_none=True, metadata={"description": "Who are in the segment as it is and would not be."})
    sample = marshmallow.fields.List(fields.Part(CustomerSchema), metadata={"description": "The ten newest."})


class ExplainQuerySchema(QuerySchema):
    customer_id = fields.Id(required=True)


class ValueSchema(AnswerSchema):
    """What a name or a function of a clause is for the customer."""

    name = fields.Parsed(str)
    value = marshmallow.fields.Raw(allow_none=True, metadata={"description": "Of the type that the name has."})


class ClauseSchema(AnswerSchema):
    """A part of a rule."""

    kind = fields.Choice("and", "or", "not", "in_segment", "condition")
    text = fields.Parsed(str, metadata={"description": "The clause in CQL2 text."})
    passed = fields.Truth()
    values = marshmallow.fields.List(fields.Part(ValueSchema), metadata={"description": "Of a `condition`: the customer's own."})
    clauses = marshmallow.fields.List(
        fields.Written(lambda: ClauseSchema()), metadata={"description": "What it is made of; of `in_segment` the rule of that segment."}
    )


class ExplanationSchema(AnswerSchema):
    """Why a customer is in a segment, or is not."""

    segment_id = fields.Id()
    customer_id = fields.Id()
    passed = fields.Truth(metadata={"description": "Whether the customer is in the segment."})
    evaluated_at = fields.Timestamp(metadata={"description": "The moment that was `now()`."})
    clause = fields.Written(ClauseSchema)


class OwnSegmentSchema(AnswerSchema):
    """A segment that a customer is in."""

    id = fields.Id()
    name = fields.Parsed(str)
    description = fields.Parsed(str, allow_none=True)
    kind = fields.Choice(*KINDS)


class OwnSegmentPageSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(OwnSegmentSchema))
    next_cursor = fields.Parsed(str, allow_none=True, metadata={"description": "Always null: one page."})
