"""Batches, look-ups and lines of customers as callers send them."""

from __future__ import annotations

import marshmallow

from app.core import limits
from app.customers.schemas import (
    CustomerFilterQuerySchema,
    CustomerPatchSchema,
    CustomerSchema,
    MatchQuerySchema,
    RestoreQuerySchema,
    match_field,
)
from app.web import fields
from app.web.bulk.schemas import (
    BatchItemSchema,
    BatchQuerySchema,
    LooseItems,
    SyncImportQuerySchema,
    external_id_field,
    op_field,
    source_field,
)
from app.web.schemas import AnswerSchema, Schema, chosen_fields


class CustomerBatchItemSchema(BatchItemSchema):
    """One write: of the customer with `id`, or of the one that `source` and `external_id` stand for; `create` needs neither."""

    match = match_field()
    data = fields.Part(CustomerPatchSchema, load_default=None, metadata={"description": "The fields; a merge patch over what is there."})


class CustomerBatchSchema(Schema):
    """Writes, executed in order; a later one sees an earlier one."""

    items = LooseItems(
        fields.Part(CustomerBatchItemSchema),
        least=1,
        most=limits.BATCH_MAX,
        required=True,
        metadata={"examples": [[{"op": "upsert", "source": "shopify", "external_id": "1001", "data": {"given_name": "Mei"}}]]},
    )


class CustomerBatchQuerySchema(BatchQuerySchema, RestoreQuerySchema):
    """How a batch of customers is written."""


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

    op = op_field("`delete` deletes the customer softly.")
    external_id = external_id_field(required=True)
    source = source_field(load_default=None)


class CustomerImportQuerySchema(SyncImportQuerySchema, RestoreQuerySchema, MatchQuerySchema):
    """How an import of customers is written."""


class CustomerExportQuerySchema(CustomerFilterQuerySchema):
    fields_ = chosen_fields(CustomerSchema)
