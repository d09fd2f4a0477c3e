"""What all batches and imports take, and what is answered for each item."""

from __future__ import annotations

from typing import Any

import marshmallow
from marshmallow import ValidationError

from app.core import limits
from app.core.faults import Fault
from app.core.syncing import Op, Outcome
from app.web import fields
from app.web.schemas import AnswerSchema, QuerySchema, Schema
from app.web.streams.schemas import ImportQuerySchema

# Any: marshmallow's own signatures.


def source_field(**kwargs: Any) -> fields.Parsed:
    return fields.Parsed(fields.check_source, {"pattern": f"^[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}$"}, **kwargs)


def external_id_field(**kwargs: Any) -> fields.Parsed:
    openapi = {"minLength": 1, "maxLength": limits.EXTERNAL_ID_MAX}
    return fields.Parsed(fields.clean_external_id, openapi, plain_max=limits.EXTERNAL_ID_MAX, **kwargs)


def op_field(description: str) -> fields.Choice:
    """What a line of an import asks for."""
    return fields.Choice(Op.UPSERT.value, Op.DELETE.value, load_default=Op.UPSERT.value, metadata={"description": description})


class LooseItems(fields.Items):
    """A list whose items are looked at one by one later, so that a bad one does not spoil its neighbours."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError([Fault("wrong_type", "This has to be a list.")])
        if not self.least <= len(value) <= self.most:
            raise ValidationError([Fault("wrong_count", f"This may have {self.least} to {self.most} items.")])
        return value


class BatchItemSchema(Schema):
    """One write; a feature's own has `data` beside this."""

    op = fields.Choice(*(op.value for op in Op), required=True)
    id = fields.Id(load_default=None)
    source = source_field(load_default=None)
    external_id = external_id_field(load_default=None)
    if_version = fields.Whole(least=1, load_default=None, metadata={"description": "The `version` that was read: else 412."})
    client_ref = fields.Line(limits.EXTERNAL_ID_MAX, load_default=None, metadata={"description": "Comes back with the result."})


class BatchQuerySchema(QuerySchema):
    atomic = fields.Choice(
        "true", "false", load_default="false", metadata={"default": "false", "description": "`true`: all of them or nothing."}
    )


class BatchResultSchema(AnswerSchema):
    """What became of one item."""

    opt_in = frozenset({"problem"})

    index = fields.Whole(least=0)
    client_ref = fields.Parsed(str, allow_none=True)
    status = fields.Whole(least=200, most=599, metadata={"description": "As the same write alone would be answered."})
    outcome = fields.Choice(*(outcome.value for outcome in Outcome))
    id = fields.Id(allow_none=True)
    version = fields.Whole(least=1, allow_none=True)
    problem = marshmallow.fields.Dict(metadata={"description": "A problem document, where the item was refused."})


class BatchAnswerSchema(AnswerSchema):
    """A result for each item, in order."""

    results = marshmallow.fields.List(fields.Part(BatchResultSchema))


class SyncImportQuerySchema(ImportQuerySchema):
    """What imports of things that another system knows take."""

    source = source_field(load_default=None, metadata={"description": "The `source` of lines that name none."})
    dry_run = fields.Choice(
        "true",
        "false",
        load_default="false",
        metadata={
            "default": "false",
            "description": "`true`: say what would become of each line, and write nothing; a line sees those of its own thousand.",
        },
    )
