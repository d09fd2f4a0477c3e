"""Who is calling: from the `Authorization` header to a Caller."""

from __future__ import annotations

from collections.abc import Callable

from flask import Request

from app.core.caller import Caller
from app.core.errors import Unauthenticated
from app.web import context

# Handed in by the factory: the text of a token and the request's id to its caller, None where it opens nothing.
TokenLookUp = Callable[[str, str], Caller | None]


def caller_of(request: Request, look_up: TokenLookUp) -> Caller:
    """The caller whose bearer token (RFC 6750, in the header only) the request carries. Raises Unauthenticated."""
    about = context.of_request(request)
    scheme, _, token = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    caller = look_up(token.strip(), about.request_id) if scheme.lower() == "bearer" else None
    if caller is None:
        raise Unauthenticated
    about.token_id = str(caller.token_id)
    return caller
