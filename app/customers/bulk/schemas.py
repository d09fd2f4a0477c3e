"""Batches, look-ups and lines as callers send them, and what is answered for each item."""

from __future__ import annotations

from typing import Any

import marshmallow
from marshmallow import ValidationError

from app.core import limits
from app.core.faults import Fault
from app.core.syncing import Op, Outcome
from app.customers.schemas import (
    CustomerFilterQuerySchema,
    CustomerPatchSchema,
    CustomerSchema,
    MatchQuerySchema,
    RestoreQuerySchema,
    match_field,
)
from app.web import fields
from app.web.schemas import AnswerSchema, Schema, chosen_fields
from app.web.streams.schemas import ImportQuerySchema

# Any: marshmallow's own signatures.


def source_field(**kwargs: Any) -> fields.Parsed:
    return fields.Parsed(fields.check_source, {"pattern": f"^[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}$"}, **kwargs)


def external_id_field(**kwargs: Any) -> fields.Parsed:
    return fields.Parsed(fields.clean_external_id, {"minLength": 1, "maxLength": limits.EXTERNAL_ID_MAX}, **kwargs)


class _LooseItems(fields.Items):
    """A list whose items are looked at one by one later, so that a bad one does not spoil its neighbours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError([Fault("wrong_type", "This has to be a list.")])
        if not self.least <= len(value) <= self.most:
            raise ValidationError([Fault("wrong_count", f"This may have {self.least} to {self.most} items.")])
        return value


class CustomerBatchItemSchema(Schema):
    """One write: of the customer with `id`, or of the one that `source` and `external_id` stand for; `create` needs neither."""

    op = fields.Choice(*(op.value for op in Op), required=True)
    id = fields.Id(load_default=None)
    source = source_field(load_default=None)
    external_id = external_id_field(load_default=None)
    match = match_field()
    data = fields.Part(CustomerPatchSchema, load_default=None, metadata={"description": "The fields; a merge patch over what is there."})
    if_version = fields.Whole(least=1, load_default=None, metadata={"description": "The `version` that was read: else 412."})
    client_ref = fields.Line(limits.EXTERNAL_ID_MAX, load_default=None, metadata={"description": "Comes back with the result."})


class CustomerBatchSchema(Schema):
    """Writes, executed in order; a later one sees an earlier one."""

    items = _LooseItems(
        fields.Part(CustomerBatchItemSchema),
        least=1,
        most=limits.BATCH_MAX,
        required=True,
        metadata={"examples": [[{"op": "upsert", "source": "shopify", "external_id": "1001", "data": {"given_name": "Mei"}}]]},
    )


class CustomerBatchQuerySchema(RestoreQuerySchema):
    atomic = fields.Choice(
        "true", "false", load_default="false", metadata={"default": "false", "description": "`true`: all of them or nothing."}
    )


class CustomerBatchResultSchema(AnswerSchema):
    """What became of one item."""

    opt_in = frozenset({"problem"})

    index = fields.Whole(least=0)
    client_ref = fields.Parsed(str, allow_none=True)
    status = fields.Whole(least=200, most=599, metadata={"description": "As the same write alone would be answered."})
    outcome = fields.Choice(*(outcome.value for outcome in Outcome))
    id = fields.Id(allow_none=True)
    version = fields.Whole(least=1, allow_none=True)
    problem = marshmallow.fields.Dict(metadata={"description": "A problem document, where the item was refused."})


class CustomerBatchAnswerSchema(AnswerSchema):
    """A result for each item, in order."""

    results = marshmallow.fields.List(fields.Part(CustomerBatchResultSchema))


class LookupItemSchema(Schema):
    """A customer's `id`, or a `source` and an `external_id`."""

    id = fields.Id(load_default=None)
    source = source_field(load_default=None)
    external_id = external_id_field(load_default=None)


class CustomerLookupSchema(Schema):
    items = fields.Items(
        fields.Part(LookupItemSchema),
        least=1,
        most=limits.BATCH_MAX,
        required=True,
        metadata={"examples": [[{"source": "shopify", "external_id": "1001"}]]},
    )


class CustomerLookupAnswerSchema(AnswerSchema):
    """In the order asked for; null where there is none, or it is deleted."""

    data = marshmallow.fields.List(fields.Part(CustomerSchema, allow_none=True))


class CustomerImportLineSchema(CustomerPatchSchema):
    """A customer as another system has it: `source` and `external_id` say who it is, the rest is a merge patch over what is there."""

    op = fields.Choice(
        Op.UPSERT.value, Op.DELETE.value, load_default=Op.UPSERT.value, metadata={"description": "`delete` deletes the customer softly."}
    )
    external_id = external_id_field(required=True)
    source = source_field(load_default=None)


class CustomerImportQuerySchema(ImportQuerySchema, RestoreQuerySchema, MatchQuerySchema):
    source = source_field(load_default=None, metadata={"description": "The `source` of lines that name none."})
    dry_run = fields.Choice(
        "true",
        "false",
        load_default="false",
        metadata={"default": "false", "description": "`true`: say what would become of each line, and write nothing."},
    )


class CustomerExportQuerySchema(CustomerFilterQuerySchema):
    fields_ = chosen_fields(CustomerSchema)
