"""Batches and lines of interactions as callers send them."""

from __future__ import annotations

from app.contact_history.schemas import (
    ContactHistoryFilterQuerySchema,
    ContactHistoryPatchSchema,
    ContactHistorySchema,
    CreateMissingQuerySchema,
    RestoreEntryQuerySchema,
)
from app.core import limits
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
from app.web.schemas import Schema, chosen_fields

_EXAMPLE = {
    "op": "upsert",
    "source": "shopify",
    "external_id": "1001",
    "data": {"kind": "order", "customer": {"source": "shopify", "external_id": "7"}, "amount": "12.50", "currency": "EUR"},
}


class ContactHistoryBatchItemSchema(BatchItemSchema):
    """One write: of the interaction with `id`, or of the one that `source` and `external_id` stand for; `create` needs neither."""

    data = fields.Part(
        ContactHistoryPatchSchema,
        load_default=None,
        metadata={"description": "The fields, and whose it is; a merge patch over what is there."},
    )


class ContactHistoryBatchSchema(Schema):
    """Writes, executed in order; a later one sees an earlier one."""

    items = LooseItems(
        fields.Part(ContactHistoryBatchItemSchema), least=1, most=limits.BATCH_MAX, required=True, metadata={"examples": [[_EXAMPLE]]}
    )


class ContactHistoryBatchQuerySchema(BatchQuerySchema, RestoreEntryQuerySchema, CreateMissingQuerySchema):
    """How a batch of interactions is written."""


class ContactHistoryImportLineSchema(ContactHistoryPatchSchema):
    """An interaction as another system has it: `source` and `external_id` say which, the rest is a merge patch over what is there."""

    op = op_field("`delete` withdraws the interaction.")
    external_id = external_id_field(required=True)
    source = source_field(load_default=None)


class ContactHistoryImportQuerySchema(SyncImportQuerySchema, RestoreEntryQuerySchema, CreateMissingQuerySchema):
    """How an import of interactions is written."""


class ContactHistoryExportQuerySchema(ContactHistoryFilterQuerySchema):
    fields_ = chosen_fields(ContactHistorySchema)
