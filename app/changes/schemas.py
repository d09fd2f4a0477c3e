"""Events as callers see them."""

from __future__ import annotations

import marshmallow

from app.changes import catalogue
from app.core import limits
from app.core.faults import Fault
from app.web import fields
from app.web.schemas import AnswerSchema, QuerySchema


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
        metadata={"description": "The fields in `changed` as they are now, with `version`; all of something new."},
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
    actor = fields.Written(ActorSchema)
    request_id = fields.Parsed(str)
    data = fields.Written(EventDataSchema)


class EventPageSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(EventSchema))
    next_cursor = fields.Parsed(str, allow_none=True)


class FeedSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(EventSchema))
    next_position = fields.Parsed(str, metadata={"description": "Where to go on, also from an empty page."})


def _types(value: str) -> tuple[str, ...]:
    patterns = tuple(dict.fromkeys(value.split(",")))
    if len(patterns) > limits.FEED_TYPES_MAX:
        raise Fault("wrong_count", f"There may be {limits.FEED_TYPES_MAX} types.")
    for pattern in patterns:
        if pattern not in catalogue.PATTERNS:
            raise Fault("unknown_type", f"{pattern[:64]!r} is none of {', '.join(catalogue.PATTERNS)}.")
    return patterns


class FeedQuerySchema(QuerySchema):
    after = fields.Line(200, load_default=None, metadata={"description": "A position; from the first event on where it is left out."})
    types = fields.Parsed(_types, load_default=None, metadata={"description": "Types, or `customer.*` for a kind, separated by commas."})
    subject = fields.Line(200, load_default=None, metadata={"description": "The address below /v1 of one thing, such as `customers/<id>`."})
    limit = fields.QueryWhole(
        least=1,
        most=limits.FEED_PAGE_MAX,
        load_default=limits.PAGE_DEFAULT,
        metadata={"description": "Events a page.", "default": limits.PAGE_DEFAULT},
    )
    wait = fields.QueryWhole(
        least=0,
        most=limits.FEED_WAIT_MAX_SECONDS,
        load_default=0,
        metadata={"description": "Seconds to wait for an event where there is none yet.", "default": 0},
    )
