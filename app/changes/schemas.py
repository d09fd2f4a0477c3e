"""Events as callers see them."""

from __future__ import annotations

import marshmallow

from app.web import fields
from app.web.schemas import AnswerSchema


class ActorSchema(AnswerSchema):
    type = fields.Choice("token", "command_line")
    id = fields.Id(allow_none=True)
    name = fields.Parsed(str)


class EventDataSchema(AnswerSchema):
    before = marshmallow.fields.Dict(
        allow_none=True, metadata={"description": "The fields in `changed` as they were; null of something new."}
    )
    after = marshmallow.fields.Dict(
        allow_none=True,
        metadata={"description": "The fields in `changed` as they are now, and `version`; of something new, all fields."},
    )
    changed = marshmallow.fields.List(fields.Parsed(str))


class EventSchema(AnswerSchema):
    """A change, with the fields of CloudEvents 1.0."""

    id = fields.Id(attribute="event_id")
    source = fields.Parsed(str)
    type = fields.Parsed(str, metadata={"description": "Open list: `customer.created`, `customer.updated`, …"})
    subject = fields.Parsed(str, metadata={"description": "The address below /v1 of what changed."})
    time = fields.Timestamp()
    position = fields.Parsed(str, metadata={"description": "Its place in the feed; opaque."})
    actor = fields.Part(ActorSchema)
    request_id = fields.Parsed(str)
    data = fields.Part(EventDataSchema)


class EventPageSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(EventSchema))
    next_cursor = fields.Parsed(str, allow_none=True)
