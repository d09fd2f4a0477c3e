"""What belongs to one request and is needed before there is a caller: its ids, its clock, what the access log will say."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import getrandbits
from typing import Any

from flask import Request, has_request_context, request

ENVIRON_KEY = "kehu.request"

# It is logged: what could be an address, a number to call or a token of ours is no id.
_REQUEST_ID = re.compile(r"(?!.*kehu_)(?!\+?[0-9]{7,15}\Z)[A-Za-z0-9._:/+=-]{1,128}\Z")
# https://www.w3.org/TR/trace-context/#traceparent-header: version, trace-id, parent-id, flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z")


@dataclass(slots=True)
class RequestContext:
    """Made at the door, before Flask sees the request. `started` is on the monotonic clock."""

    request_id: str
    trace_id: str | None
    started: float = field(default_factory=time.monotonic)
    # Seconds spent waiting for the caller: for his body, or because he asked for it.
    waited: float = 0.0
    route: str | None = None
    token_id: str | None = None


def of_environ(environ: Mapping[str, Any]) -> RequestContext:  # Any: a WSGI environment holds what it likes
    """The context that the headers ask for; an id that is no id is replaced, since it goes into logs and headers."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    traced = environ.get("HTTP_TRACEPARENT")
    trace = _TRACEPARENT.match(traced) if traced is not None else None
    return RequestContext(
        request_id=given if _REQUEST_ID.match(given) else _new_id(),
        trace_id=trace.group(1) if trace else None,
    )


def _new_id() -> str:
    # Told apart from others, and no secret.
    return f"{getrandbits(128):032x}"


def of_request(asked: Request) -> RequestContext:
    context = asked.environ.get(ENVIRON_KEY)
    if context is None:
        # Without the middleware: Flask's own test client on a bare app.
        context = asked.environ[ENVIRON_KEY] = of_environ(asked.environ)
    assert isinstance(context, RequestContext)
    return context


def current() -> RequestContext:
    """The context of the running request."""
    return of_request(request)


def current_request_id() -> str:
    return current().request_id if has_request_context() else _new_id()
