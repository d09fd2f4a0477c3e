"""Definitions and names as callers send and see them."""

from __future__ import annotations

import marshmallow

from app.attributes.definition import KINDS
from app.core import limits
from app.rules.types import Type
from app.web import fields
from app.web.schemas import AnswerSchema, QuerySchema, Schema

_INDEX_STATES = ("none", "building", "ready")
_KINDS_OF_NAMES = ("field", "metric", "attribute", "function")
_ROWS = ("customers", "contact_history")
_TYPES = tuple(kind.value for kind in Type)


_INDEXED = (
    f"An index is built in the background. Its texts, also each of a list, may have {limits.ATTRIBUTE_INDEXED_TEXT_MAX} characters (422"
    " `too_long`); of values that are longer and were there before, those of the types `string` and `enum` count as none meanwhile."
)


class AttributePutSchema(Schema):
    """A definition; what is left out is as if it had never been said."""

    type = fields.Choice(*KINDS, required=True, metadata={"description": "Cannot be changed: retire the attribute and define it anew."})
    description = fields.Line(limits.NAME_MAX, allow_none=True, load_default=None, metadata={"description": "What it means, for people."})
    enum = fields.Items(
        fields.Line(limits.SHORT_TEXT_MAX),
        least=1,
        most=limits.DEFINITION_CHOICES_MAX,
        unique=True,
        allow_none=True,
        load_default=None,
        attribute="choices",
        metadata={"description": "Of the type `enum`, and only there: the values that there are."},
    )
    required = fields.Truth(
        load_default=False, metadata={"default": False, "description": "A new customer has to have it, and none may lose it."}
    )
    indexed = fields.Truth(load_default=False, metadata={"default": False, "description": _INDEXED})


class AttributeSchema(AnswerSchema):
    """A custom attribute."""

    name = fields.Parsed(str)
    type = fields.Choice(*KINDS)
    description = fields.Line(limits.NAME_MAX, allow_none=True)
    enum = marshmallow.fields.List(fields.Parsed(str), allow_none=True, attribute="choices")
    required = fields.Truth()
    indexed = fields.Truth()
    index = fields.Choice(*_INDEX_STATES, metadata={"description": "Of the index that `indexed` asks for."})
    version = fields.Whole(least=1)
    created_at = fields.Timestamp()
    updated_at = fields.Timestamp()


class ParameterSchema(AnswerSchema):
    """An argument of a function."""

    name = fields.Parsed(str)
    types = marshmallow.fields.List(fields.Choice(*_TYPES))


class NameSchema(AnswerSchema):
    """What a rule may name."""

    name = fields.Parsed(str, metadata={"description": "A part in angle brackets stands for whatever is meant."})
    of = fields.Choice(*_ROWS, metadata={"description": "Open list. What the rules are about that may name it."})
    kind = fields.Choice(*_KINDS_OF_NAMES)
    type = fields.Choice(*_TYPES, metadata={"description": "Open list. Of a function, what it gives."})
    operators = marshmallow.fields.List(fields.Parsed(str), metadata={"description": "What it can be asked."})
    meaning = fields.Parsed(str)
    enum = marshmallow.fields.List(fields.Parsed(str), allow_none=True, metadata={"description": "The only values there are."})
    parameters = marshmallow.fields.List(fields.Part(ParameterSchema), allow_none=True, metadata={"description": "Of a function."})


class NamePageSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(NameSchema))
    next_cursor = fields.Parsed(str, allow_none=True, metadata={"description": "Always null: the list is short, and one page."})


class NameQuerySchema(QuerySchema):
    """Everything at once."""

    of = fields.Choice(*_ROWS, load_default="customers", metadata={"default": "customers", "description": "What the rules are about."})
