"""The addresses of tokens."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.tokens import service
from app.tokens.schemas import (
    TokenCreateSchema,
    TokenPageQuerySchema,
    TokenPageSchema,
    TokenRotateSchema,
    TokenSchema,
    TokenWithSecretSchema,
)
from app.web import dump, paging
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, Write, runtime

blp = Blueprint("tokens", __name__, url_prefix="/v1/tokens", description="Access tokens")

# Any: what the schemas load.


@blp.route("")
class Tokens(MethodView):
    @blp.reads("list_tokens", scope="tokens:manage", query=TokenPageQuerySchema, answer=TokenPageSchema, headers=("Link",))
    def get(self, call: Read, query: dict[str, Any]) -> Answer:
        """List tokens

        Newest first, without their secrets.
        """
        cursors = runtime().cursors
        rows = service.list_page(call.db, after=cursors.read(query, call.caller), count=query["limit"] + 1)
        return paging.answer(
            rows,
            cursors=cursors,
            caller=call.caller,
            query=query,
            dump=dump.compiled(TokenSchema),
            key=lambda row: (row.created_at, row.id),
        )

    @blp.writes(
        "create_token",
        scope="tokens:manage",
        body=TokenCreateSchema,
        answer=TokenWithSecretSchema,
        holds_secret=True,
        status=HTTPStatus.CREATED,
        headers=("Location",),
    )
    def post(self, call: Write, body: dict[str, Any]) -> Answer:
        """Make a token

        `token` is shown this once. A token cannot grant a scope that it lacks itself (403).
        """
        made = service.create(call.unit, call.caller, **body)
        return Answer(made, headers={"Location": f"/v1/tokens/{made.id}"})


@blp.route("/self")
class Self(MethodView):
    @blp.reads("get_own_token", scope=None, answer=TokenSchema)
    def get(self, call: Read) -> Answer:
        """Show the token that is used

        Works with any valid token.
        """
        return Answer(service.get_own(call.db, call.caller))


@blp.route("/<id:token_id>")
class OneToken(MethodView):
    @blp.reads("get_token", scope="tokens:manage", answer=TokenSchema, refuses=(404,))
    def get(self, call: Read, token_id: UUID) -> Answer:
        """Show a token"""
        return Answer(service.get(call.db, token_id=token_id))

    @blp.writes("revoke_token", scope="tokens:manage", answer=None, status=HTTPStatus.NO_CONTENT, refuses=(404,))
    def delete(self, call: Write, token_id: UUID) -> Answer:
        """Revoke a token

        It is removed for good, and refused by every process within five seconds.
        """
        service.revoke(call.unit, call.caller, token_id=token_id)
        return Answer()


@blp.route("/<id:token_id>/rotate")
class Rotation(MethodView):
    @blp.writes(
        "rotate_token",
        scope="tokens:manage",
        body=TokenRotateSchema,
        body_required=False,
        answer=TokenWithSecretSchema,
        holds_secret=True,
        refuses=(404,),
    )
    def post(self, call: Write, token_id: UUID, body: dict[str, Any]) -> Answer:
        """Give a token a new secret

        Its id and scopes stay. The former secret goes on to work for `overlap_seconds`; `token` is shown this once.
        """
        return Answer(service.rotate(call.unit, call.caller, token_id=token_id, **body))
