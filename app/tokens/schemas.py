"""Tokens as callers send and see them."""

from __future__ import annotations

import marshmallow

from app.core import limits
from app.core.caller import ALL_SCOPES, SCOPES
from app.web import fields
from app.web.schemas import AnswerSchema, PageQuerySchema, Schema


class TokenCreateSchema(Schema):
    name = fields.Line(limits.TOKEN_NAME_MAX, required=True, metadata={"description": "What the token is for; for people."})
    scopes = fields.Items(
        fields.Choice(*SCOPES, ALL_SCOPES),
        most=len(SCOPES) + 1,
        least=1,
        unique=True,
        required=True,
        metadata={"description": "`*` for all."},
    )
    expires_at = fields.Timestamp(load_default=None, allow_none=True, metadata={"description": "Never, where null."})


class TokenRotateSchema(Schema):
    overlap_seconds = fields.Whole(
        least=0,
        most=limits.TOKEN_OVERLAP_MAX_SECONDS,
        load_default=0,
        metadata={"description": "How long the former secret goes on to work.", "default": 0},
    )


class TokenSchema(AnswerSchema):
    """A token without its secret, which nobody can be shown again."""

    id = fields.Id()
    name = fields.Parsed(str)
    scopes = marshmallow.fields.List(fields.Choice(*SCOPES, ALL_SCOPES))
    created_at = fields.Timestamp()
    expires_at = fields.Timestamp(allow_none=True)
    last_used_at = fields.Timestamp(allow_none=True, metadata={"description": "To the minute."})
    previous_expires_at = fields.Timestamp(
        allow_none=True, metadata={"description": "Until when the secret before the last rotation goes on to work."}
    )


class TokenWithSecretSchema(TokenSchema):
    """A token just made; `token` is shown this once."""

    token = fields.Parsed(str)


class TokenPageSchema(AnswerSchema):
    data = marshmallow.fields.List(fields.Part(TokenSchema))
    next_cursor = fields.Parsed(str, allow_none=True)


class TokenPageQuerySchema(PageQuerySchema):
    """Newest first."""
