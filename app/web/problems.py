"""Every answer from 400 on, as an RFC 9457 problem document; the sentences that users read stand here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, InternalServerError

from app.core import errors, limits, logs, times
from app.db import failures
from app.web import metrics
from app.web.context import current_request_id

MIMETYPE = "application/problem+json"
WWW_AUTHENTICATE = 'Bearer realm="kehu"'

_log = logs.get(__name__)

STATUSES: dict[type[errors.KehuError], HTTPStatus] = {
    errors.BadCursor: HTTPStatus.BAD_REQUEST,
    errors.BadPosition: HTTPStatus.BAD_REQUEST,
    errors.LostPosition: HTTPStatus.GONE,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotAllOrNothing: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.QueryTooDear: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

# code -> (title, sentence); a sentence may name the problem's data.
_SENTENCES: dict[str, tuple[str, str]] = {
    "bad_cursor": ("Bad cursor", "The cursor is damaged, or belongs to another filter, sort or token. Start again without it."),
    "batch_refused": (
        "Batch refused",
        "With `atomic=true` every item has to be sound, so nothing was written. `refused` has what stood in the way.",
    ),
    "bad_position": ("Bad position", "The position is damaged, or from the future of this database."),
    "position_of_earlier_life": (
        "Position of an earlier life",
        "The database was restored since this position was given, and what came after it may be lost. Begin again at {restart}.",
    ),
    "unauthenticated": (
        "No valid token",
        "Send `Authorization: Bearer <token>` with a token that is complete, not expired and not revoked.",
    ),
    "scope_missing": ("Scope missing", "The token lacks the scope `{scope}`."),
    "scope_not_held": ("Scope not held", "A token cannot grant `{scope}`, which it lacks itself."),
    "not_found": ("Not found", "There is nothing at this address."),
    "customer_deleted": (
        "Customer deleted",
        "Customer {existing_id} was deleted at {deleted_at}. POST to its `restore` brings it back; a write may say `deleted=restore`.",
    ),
    "contact_history_deleted": (
        "Interaction withdrawn",
        "Interaction {existing_id} was withdrawn at {deleted_at}. POST to its `restore` brings it back; a write may say `deleted=restore`.",
    ),
    "customer_unknown": ("Customer unknown", "The interaction names a customer that there is not; `errors` says where."),
    "occurred_in_future": ("Not yet", "An interaction lies at most 24 hours ahead: an appointment is none yet."),
    "external_id_taken": ("External id taken", "`{source}:{external_id}` stands for {existing_id} already."),
    "ambiguous_match": (
        "Ambiguous match",
        "The identifiers point at several customers, so nothing was written. Name one by its id or external id; `candidates` has them all.",
    ),
    "customer_exists": ("Customer exists", "There is a customer with the same e-mail or phone; `candidates` has them all."),
    "attribute_type_fixed": ("Type fixed", "`{name}` is defined as {defined_as}. Retire it first: its type decides what its values mean."),
    "attribute_in_use": ("Attribute in use", "The rules of segments name `{name}`: `used_by` says which. Change them first."),
    "segment_name_taken": ("Name taken", "There is a segment `{name}` already: {existing_id}."),
    "segment_in_use": ("Segment in use", "The rules of other segments name this one: `used_by` says which. Change them first."),
    "too_many_segments": ("Too many segments", "There may be {most} segments."),
    "segment_rule_broken": (
        "Rule broken",
        "The rule of the segment `{name}` is not sound any more, since what it names has changed: `faults` says what. Mend it by a PATCH.",
    ),
    "segment_not_static": (
        "Not a static segment",
        "Who is in the segment `{name}` is decided by its rule; members are put into static ones.",
    ),
    "too_many_attributes": ("Too many attributes", "There may be {most} custom attributes."),
    "idempotency_key_reused": (
        "Idempotency-Key reused",
        "This `Idempotency-Key` was sent with another request. Take a new one for each write.",
    ),
    "idempotency_in_progress": (
        "Still in progress",
        "A request with this `Idempotency-Key` is being executed. Send the same again after {retry_after} s.",
    ),
    "secret_shown_once": ("Secret shown once", "This write was executed, and its secret was shown then; it belongs to {id}."),
    "version_mismatch": (
        "Version mismatch",
        "The stored version is not one that `If-Match` or `If-None-Match` allows. Read it again.",
    ),
    "if_match_required": (
        "If-Match required",
        "This installation wants every change to carry `If-Match` with the ETag it was read with.",
    ),
    "invalid": ("Invalid input", f"Some of the values sent cannot be taken; `errors` names them, the first {limits.FAULTS_MAX} at most."),
    "query_too_dear": ("Query too dear", "The query took longer than a request may. Narrow it by a filter that an index serves."),
    "database_unavailable": (
        "Database unavailable",
        "The database does not answer, and whether a write was made is not known. Send the same again: a POST with its `Idempotency-Key`.",
    ),
    "database_busy": ("Too busy", "The database is too busy, or another write holds this row. Send the same request again."),
    "commit_unconfirmed": (
        "Commit unconfirmed",
        "The database could not confirm the write on its standby. Send the same again: a POST with its `Idempotency-Key`.",
    ),
    "migrations_missing": ("Migrations missing", "The database has not had every migration of this version: run `kehu migrate`."),
    "restored_unsaid": (
        "Restored, and not said",
        "The log holds transactions that this server has yet to begin, so it was restored: run `kehu restored`.",
    ),
    "server_busy": ("Too busy", "This process has as many requests as it can take. Send the same request again."),
    "bad_request": ("Bad request", "The request is not well-formed HTTP, or its address is not UTF-8."),
    "malformed_json": ("Malformed JSON", "The body is not JSON that can be taken: {reason}."),
    "not_acceptable": ("Not acceptable", "This operation answers `{offered}`; the `Accept` header rules that out."),
    "method_not_allowed": ("Method not allowed", "This address takes {allowed}."),
    "body_too_large": ("Body too large", "The body may have {max_bytes} bytes."),
    "body_timeout": ("Body too slow", "The body did not arrive within {seconds} seconds."),
    "unsupported_media_type": (
        "Unsupported media type",
        "Send the body as `{offered}` in UTF-8, not compressed; curl needs `-H 'Content-Type: …'`.",
    ),
    "unsupported_encoding": (
        "Not UTF-8",
        "The beginning of the body is not UTF-8; it looks like {looks_like}. Save the file as UTF-8, or convert it: "
        "iconv -f {looks_like} -t UTF-8 FILE.",
    ),
    "unsupported_stream": (
        "Unsupported media type",
        "Send the body as `{offered}` in UTF-8, plain or with `Content-Encoding: gzip`; curl needs `-H 'Content-Type: …'`.",
    ),
    "idempotency_not_supported": (
        "No Idempotency-Key here",
        "A stream takes no `Idempotency-Key`: sending it again is safe without.",
    ),
    "unknown_column": ("Unknown column", "Some columns of the header are not known; `errors` names them."),
    "bad_header": ("Bad header", "The first line has to name the columns; `errors` says what is wrong."),
    "streams_busy": ("Too many streams", "This process has as many imports and exports as it can take. Send the same again."),
    "server_stopping": (
        "Server stopping",
        "The server is being stopped or restarted. What is reported above is kept; send again from line {line}.",
    ),
    "import_process_lost": (
        "Import cut short",
        "The process that was writing has ended. What is reported above is kept; send again from line {line}.",
    ),
    "stream_timeout": (
        "Body too slow",
        "No byte came for {seconds} seconds. What is reported above is kept; send again from line {line}.",
    ),
    "body_cut": (
        "Body cut off",
        "The body ended before its announced end. What is reported above is kept; send again from line {line}.",
    ),
    "gzip_damaged": (
        "Damaged gzip",
        "The body is not gzip, or cut off or damaged, and what came of it before may be wrong too. Send all of it again.",
    ),
    "gzip_ratio": (
        "Compressed too well",
        "The body grows to more than {max_ratio} times its size. Send it less compressed, from line {line}.",
    ),
    "line_too_long": (
        "Line too long",
        "A line may have {max_bytes} bytes, and so may a record of CSV: perhaps a quotation mark was never closed.",
    ),
    "quote_not_closed": (
        "Quotation mark not closed",
        "A quotation mark in the record of line {line} is never closed: nothing behind it could be read. Mend it; send again from there.",
    ),
    "malformed_line": ("Malformed line", "The line cannot be taken: {reason}."),
    "internal": ("Internal error", "Something is wrong on our side; the log holds it under this request_id."),
}


class HttpProblem(Exception):
    """A problem that only HTTP knows: raised by the gate, never below the routes."""

    def __init__(self, status: HTTPStatus, code: str, **data: object) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.data = data

    def __reduce__(self) -> tuple[object, ...]:
        return errors.remade, (type(self), self.args, vars(self))


def document(status: int, code: str, *, request_id: str, data: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The problem document of `code`; `data` fills the sentence and stands in the document beside it."""
    named = HTTPStatus(status)
    title, sentence = _SENTENCES.get(code, (named.phrase, named.description or named.phrase))
    known = {key: value for key, value in (data or {}).items() if value is not None}
    return {
        "type": f"urn:kehu:problem:{code}",
        "title": title,
        "status": int(status),
        "detail": sentence.format_map(_Blank({name: _told(value) for name, value in known.items()})),
        "code": code,
        "request_id": request_id,
        **known,
    }


def answer(status: int, code: str, data: Mapping[str, object] | None = None, *, headers: Mapping[str, str] | None = None) -> Response:
    """A response that carries the document."""
    body = document(status, code, request_id=current_request_id(), data=data)
    response = Response(orjson.dumps(body, option=orjson.OPT_UTC_Z, default=str), status=status, mimetype=MIMETYPE)
    response.headers.update(headers or {})
    response.headers["Cache-Control"] = "no-store"
    return response


def document_of(error: errors.KehuError | HttpProblem, *, request_id: str) -> dict[str, Any]:
    """The problem document of what is wrong with one of many, and is no answer of its own."""
    if isinstance(error, HttpProblem):
        return document(error.status, error.code, request_id=request_id, data=error.data)
    if isinstance(error, errors.Invalid):
        told = {"errors": [_fault(fault) for fault in error.faults[: limits.FAULTS_MAX]]}
        return document(status_of(error), error.code, request_id=request_id, data=told)
    return document(status_of(error), error.code, request_id=request_id, data=error.data)


def status_of(error: errors.KehuError) -> HTTPStatus:
    if isinstance(error, errors.NotAllOrNothing) and not all(isinstance(one, errors.Invalid) for one in error.refused.values()):
        return HTTPStatus.CONFLICT
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


def of_error(error: errors.KehuError) -> Response:
    """The answer to a domain error."""
    status = status_of(error)
    if isinstance(error, errors.Invalid):
        return answer(status, error.code, {"errors": [_fault(fault) for fault in error.faults[: limits.FAULTS_MAX]]})
    if isinstance(error, errors.NotAllOrNothing):
        return answer(status, error.code, _all_refused(error))
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = WWW_AUTHENTICATE
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if "retry_after" in error.data:
        headers["Retry-After"] = str(error.data["retry_after"])
    if isinstance(error, errors.Unauthenticated | errors.Forbidden):
        metrics.REFUSED.labels(code=error.code).inc()
        _log.warning("refused", code=error.code, scope=error.data.get("scope"))
    return answer(status, error.code, error.data, headers=headers)


def _all_refused(error: errors.NotAllOrNothing) -> dict[str, object]:
    """What stood in the way, item by item; the faults of the input also as `errors`, with pointers into the whole body."""
    first = list(error.refused.items())[: limits.FAULTS_MAX]
    faults = [
        _fault(replace(fault, pointer=f"/items/{index}{fault.pointer}"))
        for index, one in first
        if isinstance(one, errors.Invalid)
        for fault in one.faults
    ]
    refused = [{"index": index, "problem": document_of(one, request_id=current_request_id())} for index, one in first]
    return {"refused": refused, "errors": faults[: limits.FAULTS_MAX] or None}


def tell_database_failure(error: Exception, told: errors.KehuError) -> None:
    """A line in the log for what the caller hears as `told`."""
    _log.warning("database", code=told.code, exc_info=error)


def install(app: Flask) -> None:
    """Answer every error of `app` by a problem document."""
    app.register_error_handler(errors.KehuError, of_error)
    app.register_error_handler(HttpProblem, _of_http_problem)
    app.register_error_handler(HTTPException, _of_http_exception)
    app.register_error_handler(Exception, _of_exception)


def _of_http_problem(error: HttpProblem) -> Response:
    return answer(error.status, error.code, error.data)


def _of_http_exception(error: HTTPException) -> Response:
    """Werkzeug's own: the routing's 404 and 405, and what may still come from below. Their headers are kept (Allow above all)."""
    status = HTTPStatus(error.code or 500)
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        # In one order, where Werkzeug's is that of a set, which differs between processes.
        headers["Allow"] = ", ".join(sorted(headers.get("Allow", "").split(", ")))
        return answer(status, "method_not_allowed", {"allowed": headers["Allow"]}, headers=headers)
    code = {404: "not_found", 400: "bad_request", 500: "internal"}.get(status, status.name.lower())
    return answer(status, code, headers=headers)


def _of_exception(error: Exception) -> Response:
    if isinstance(error, failures.DATABASE_ERRORS):
        told = failures.meaning(error, narrowable=False)
        if told is not None:
            tell_database_failure(error, told)
            return of_error(told)
    _log.error("unhandled", exc_info=error)
    return _of_http_exception(InternalServerError())


def _fault(fault: errors.FieldFault) -> dict[str, object]:
    return {name: value for name, value in asdict(fault).items() if value is not None}


def _told(value: object) -> object:
    return times.format_timestamp(value) if isinstance(value, datetime) else value


class _Blank(dict[str, object]):
    """A sentence is still a sentence where a value is not known."""

    def __missing__(self, key: str) -> str:
        return "?"
