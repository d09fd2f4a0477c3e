"""What is answered where a request never reaches the application: gunicorn's own errors, as problem documents."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLError

import orjson
from gunicorn.http import errors

from app.web.connection import Late


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem document whose request never reached the application."""

    status: HTTPStatus
    code: str
    title: str
    detail: str


_BAD_REQUEST = Refusal(HTTPStatus.BAD_REQUEST, "bad_request", "Bad request", "The request is not well-formed HTTP/1.1.")
INTERNAL = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal",
    "Internal error",
    "Something is wrong on our side; the log holds it under this request_id.",
)

# In this order, since some are subclasses of others; gunicorn's own words would quote the request.
_REFUSALS: tuple[tuple[type[Exception], Refusal], ...] = (
    # What the application tried to send, not what the client sent.
    (errors.InvalidResponseHeader, INTERNAL),
    (errors.InvalidResponseHeaderName, INTERNAL),
    (errors.ConfigurationProblem, INTERNAL),
    (
        errors.LimitRequestLine,
        Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", "Address too long", "The request line may have 8190 bytes."),
    ),
    (
        errors.LimitRequestHeaders,
        Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "Headers too large",
            "A request may have 100 header fields of 8190 bytes each.",
        ),
    ),
    (
        errors.UnsupportedTransferCoding,
        Refusal(HTTPStatus.NOT_IMPLEMENTED, "not_implemented", "Not implemented", "The only transfer coding taken is `chunked`."),
    ),
    (
        errors.ExpectationFailed,
        Refusal(
            HTTPStatus.EXPECTATION_FAILED,
            "expectation_failed",
            "Expectation failed",
            "`100-continue` is the only one.",
        ),
    ),
    (
        errors.ForbiddenProxyRequest,
        Refusal(HTTPStatus.FORBIDDEN, "forbidden", "Forbidden", "The PROXY protocol is not taken from this address."),
    ),
    (errors.ParseException, _BAD_REQUEST),
    (SSLError, _BAD_REQUEST),
    (
        Late,
        Refusal(HTTPStatus.REQUEST_TIMEOUT, "head_timeout", "Head too slow", "The head of the request did not arrive in time."),
    ),
)


def refusal_of(error: Exception) -> Refusal:
    return next((refusal for kind, refusal in _REFUSALS if isinstance(error, kind)), INTERNAL)


def encode(refusal: Refusal, request_id: str, *, with_body: bool) -> bytes:
    problem = {
        "type": f"urn:kehu:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id,
    }
    body = orjson.dumps(problem)
    head = (
        f"HTTP/1.1 {refusal.status:d} {refusal.status.phrase}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode("ascii") + (body if with_body else b"")
