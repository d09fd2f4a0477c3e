"""gunicorn's threaded worker, answering what never reaches Flask as the rest of the service does: with a problem document."""

from __future__ import annotations

import socket
import traceback
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLError

import orjson
from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.workers.gthread import ThreadWorker

# A client that does not even read this answer must not hold a thread.
_SEND_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    code: str
    title: str
    detail: str


_BAD_REQUEST = _Answer(HTTPStatus.BAD_REQUEST, "bad_request", "Bad request", "The request is not well-formed HTTP/1.1.")
_INTERNAL = _Answer(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal",
    "Internal error",
    "Something is wrong on our side; the log holds it under this request_id.",
)

# In this order, since some are subclasses of others; gunicorn's own words would quote the request.
_ANSWERS: tuple[tuple[type[Exception], _Answer], ...] = (
    # What the application tried to send, not what the client sent.
    (errors.InvalidResponseHeader, _INTERNAL),
    (errors.InvalidResponseHeaderName, _INTERNAL),
    (errors.ConfigurationProblem, _INTERNAL),
    (
        errors.LimitRequestLine,
        _Answer(HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", "Address too long", "The request line may have 8190 bytes."),
    ),
    (
        errors.LimitRequestHeaders,
        _Answer(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            "Headers too large",
            "A request may have 100 header fields of 8190 bytes each.",
        ),
    ),
    (
        errors.UnsupportedTransferCoding,
        _Answer(HTTPStatus.NOT_IMPLEMENTED, "not_implemented", "Not implemented", "The only transfer coding taken is `chunked`."),
    ),
    (
        errors.ExpectationFailed,
        _Answer(
            HTTPStatus.EXPECTATION_FAILED,
            "expectation_failed",
            "Expectation failed",
            "`100-continue` is the only one.",
        ),
    ),
    (
        errors.ForbiddenProxyRequest,
        _Answer(HTTPStatus.FORBIDDEN, "forbidden", "Forbidden", "The PROXY protocol is not taken from this address."),
    ),
    (errors.ParseException, _BAD_REQUEST),
    (SSLError, _BAD_REQUEST),
)


class ProblemWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Differs from ThreadWorker only in how it answers an error that no application saw."""

    def handle_error(self, req: Request | None, client: socket.socket, _: object, exc: Exception) -> None:
        answer = next((answer for kind, answer in _ANSWERS if isinstance(exc, kind)), _INTERNAL)
        request_id = uuid.uuid4().hex
        # Neither address, line nor headers, nor the exception's own message: each may hold personal data.
        if answer is _INTERNAL:
            self.log.error("outside the application: %s at %s request_id=%s", type(exc).__qualname__, _origin(exc), request_id)
        else:
            self.log.warning("refused before the application: %s %d request_id=%s", answer.code, answer.status, request_id)
        try:
            client.settimeout(_SEND_TIMEOUT)
            client.sendall(_encode(answer, request_id, with_body=getattr(req, "method", None) != "HEAD"))
        except OSError:
            self.log.debug("the client did not wait for the answer: request_id=%s", request_id)


def _encode(answer: _Answer, request_id: str, *, with_body: bool) -> bytes:
    problem = {
        "type": f"urn:kehu:problem:{answer.code}",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.detail,
        "code": answer.code,
        "request_id": request_id,
    }
    body = orjson.dumps(problem)
    head = (
        f"HTTP/1.1 {answer.status:d} {answer.status.phrase}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode("ascii") + (body if with_body else b"")


def _origin(exc: Exception) -> str:
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
