"""What the OpenAPI document says of every operation: problem answers, headers, parameters of addresses, the token."""

from __future__ import annotations

import functools
import http
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from app.web import converters, problems
from app.web.schemas import AnswerSchema, ProblemSchema, Schema

# Any: the document is JSON.

# What every operation may answer.
COMMON_PROBLEMS = (400, 401, 406, 422, 500, 503)

_TEXT = {"type": "string"}

HEADERS: Mapping[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The id under which the log has this request; the caller's own where one was sent.",
        "schema": _TEXT,
    },
    "ETag": {"description": '`"<version>"`, for customers `"<version>.<metrics_version>"`.', "schema": _TEXT},
    "Location": {"description": "The address of what was made.", "schema": _TEXT},
    "Link": {"description": '`<address>; rel="next"` where there is a next page.', "schema": _TEXT},
    "Kehu-Position": {
        "description": "The place of this write's event in the feed; absent where nothing changed.",
        "schema": _TEXT,
    },
    "Kehu-Stale": {
        "description": "`true`: what is stored is newer by `source_updated_at`, so nothing was changed.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Idempotency-Replayed": {
        "description": "`true`: this is the answer to the first request with this `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Kehu-Snapshot": {
        "description": "`no`: the export is not of one moment, and the feed from `Kehu-Position` on may repeat some of it.",
        "schema": {"type": "string", "enum": ["yes", "no"]},
    },
    "WWW-Authenticate": {"description": "The scheme to use: Bearer.", "schema": _TEXT},
    "Allow": {"description": "The methods that this address takes.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds after which to send the same request again.", "schema": {"type": "integer"}},
}

IF_MATCH: dict[str, Any] = {
    "in": "header",
    "name": "If-Match",
    "schema": _TEXT,
    "description": "The ETag that was read: where something else is stored by now, 412 and nothing is changed.",
}
IF_NONE_MATCH: dict[str, Any] = {
    "in": "header",
    "name": "If-None-Match",
    "schema": _TEXT,
    "description": "An ETag: 304 where it is still the true one.",
}

IDEMPOTENCY_KEY: dict[str, Any] = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A text of your own for this write, such as a UUID: sent again within 24 hours, it is answered and not executed again.",
}

IF_NONE_MATCH_STAR: dict[str, Any] = {
    "in": "header",
    "name": "If-None-Match",
    "schema": {"type": "string", "enum": ["*"]},
    "description": "`*`: only where there is nothing yet; else 412.",
}

_HEADERS_OF_PROBLEMS = {401: ("WWW-Authenticate",), 405: ("Allow",), 409: ("Retry-After",), 503: ("Retry-After",)}

DESCRIPTION = """\
Customers of a company: who they are and by which ids other systems know them. Everything below `/v1` needs a token:
`Authorization: Bearer kehu_…`.

* Times are RFC 3339 in UTC, ids are opaque, a field without a value is `null` and never absent. An empty text is taken as `null`.
* An unknown field or parameter is refused (422), never ignored.
* Every error is an RFC 9457 problem document; `code` is for programs.
* Every answer carries `X-Request-Id`. `PATCH` and `PUT` bodies are JSON merge patches (RFC 7396), sent as
  `application/json` or `application/merge-patch+json`.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """What the document says of one operation."""

    operation_id: str
    scope: str | None
    status: http.HTTPStatus
    answer: type[Schema] | None
    # Scopes that are needed beside `scope`.
    needs: Sequence[str] = ()
    body: type[Schema] | None = None
    body_required: bool = True
    query: type[Schema] | None = None
    refuses: Sequence[int] = ()
    headers: Sequence[str] = ()
    tagged: bool = False
    writes: bool = False
    versioned: bool = False
    also: Mapping[http.HTTPStatus, str] = field(default_factory=dict)

    @property
    def problems(self) -> list[int]:
        """The statuses from 400 on that it may answer."""
        found = {*COMMON_PROBLEMS, *self.refuses}
        if self.scope is not None:
            found.add(403)
        if self.writes or self.body is not None:
            found |= {408, 413}
        if self.body is not None:
            found.add(415)
        if self.versioned:
            found |= {412, 428}
        return sorted(found)

    @property
    def is_narrowable(self) -> bool:
        """Whether the caller can ask for less, where it took too long."""
        return self.query is not None or (self.body is not None and not self.writes)

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """Headers that the caller may send."""
        found = [IDEMPOTENCY_KEY] if self.writes else []
        if self.versioned:
            found.append(IF_MATCH)
        elif self.tagged:
            found.append(IF_NONE_MATCH)
        return found


def described(blueprint: Any, run: Callable[..., Any], operation: Operation) -> Callable[..., Any]:
    """`run` with its part of the document, written by smorest's own decorators where it has one."""
    successes = header_docs((*operation.headers, *(("ETag",) if operation.tagged else ())))
    bare = _copy(run)
    bare = blueprint.response(operation.status, operation.answer, headers=successes)(bare)
    for status, meaning in operation.also.items():
        bare = blueprint.alt_response(status, schema=operation.answer, description=meaning, headers=successes, success=True)(bare)
    if operation.body is not None:
        bare = blueprint.arguments(operation.body, required=operation.body_required)(bare)
    if operation.query is not None:
        bare = blueprint.arguments(operation.query, location="query")(bare)
    # Keys have to be numbers: beside smorest's own 422 a "422" would stand as a second one.
    responses = {number: http.HTTPStatus(number).name for number in operation.problems}
    if operation.tagged and not operation.versioned:
        responses[304] = "NOT_MODIFIED"
    documented: dict[str, Any] = deepcopy(bare._apidoc)
    documented["manual_doc"] = {
        "operationId": operation.operation_id,
        "security": [{"token": [operation.scope, *operation.needs] if operation.scope else []}],
        "responses": responses,
    }
    # Beside the parameters of the query: in `manual_doc` the list would replace theirs.
    documented.setdefault("arguments", {}).setdefault("parameters", []).extend(operation.parameters)
    run._apidoc = documented  # type: ignore[attr-defined]
    return run


def complete(document: dict[str, Any]) -> None:
    """Add the condition that makes a PUT create only.

    The second type that merge patches may have stands in the description: as a second content it would double each body in generated
    clients, and make it one that may be left out.
    """
    for path in document["paths"].values():
        if "put" in path:
            path["put"]["parameters"].append(IF_NONE_MATCH_STAR)


def _copy(run: Callable[..., Any]) -> Callable[..., Any]:
    """For smorest's decorators to hang the document on; never called."""

    @functools.wraps(run)
    def copy(*args: Any, **kwargs: Any) -> Any:
        return run(*args, **kwargs)

    return copy


def header_docs(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


class _Converter(OpenAPIConverter):
    """apispec's converter, with what our fields say of themselves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_attribute_function(_field_openapi)  # type: ignore[no-untyped-call]  # apispec types this one not
        self.add_parameter_attribute_function(_without_null)

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        described: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]  # nor this one
        if isinstance(schema, AnswerSchema) and not described.get("additionalProperties"):
            # A client that was made of this document has to go on when an answer gets a field more.
            described.pop("additionalProperties", None)
        if (meaning := type(schema).__doc__) is not None:
            described["description"] = meaning.partition("\n")[0]
        return described

    def field2default(self, field: Any, **kwargs: Any) -> dict[str, Any]:
        # None says that a parameter was not sent; as a default it would contradict the parameter's own type.
        return {} if field.load_default is None else super().field2default(field, **kwargs)


def _field_openapi(_: OpenAPIConverter, field: Any, **__: Any) -> dict[str, Any]:
    return dict(getattr(field, "openapi", {}))


def _without_null(_: OpenAPIConverter, field: Any, *, ret: dict[str, Any], **__: Any) -> dict[str, Any]:
    """A parameter is there or it is not: in an address there is no null."""
    kinds = ret["schema"].get("type")
    if isinstance(kinds, list):
        ret["schema"]["type"] = next(kind for kind in kinds if kind != "null")
    return {}


class Plugin(MarshmallowPlugin):
    Converter = _Converter

    def __init__(self) -> None:
        super().__init__(schema_name_resolver=lambda kind: _schema_name(kind))


def _schema_name(kind: Any) -> str:
    named = kind if isinstance(kind, type) else type(kind)
    name: str = named.__name__
    return name.removesuffix("Schema")


class DocumentMixin:
    """The parts of flask-smorest's Api that write the document, replaced where ours says more."""

    spec: Any

    def _register_responses(self) -> None:
        for name, described in HEADERS.items():
            self.spec.components.header(name, described)
        for status in http.HTTPStatus:
            response: dict[str, Any] = {
                "description": _description(status),
                "headers": header_docs(_HEADERS_OF_PROBLEMS.get(status, ())),
            }
            if status >= 400:
                response["content"] = {problems.MIMETYPE: {"schema": ProblemSchema}}
            if status == http.HTTPStatus.NOT_MODIFIED:
                response["headers"] = header_docs(("ETag",))
            self.spec.components.response(status.name, response, lazy=True)
        self.spec.components.response(
            "DEFAULT_ERROR",
            {"description": "Any other error", "content": {problems.MIMETYPE: {"schema": ProblemSchema}}},
            lazy=True,
        )

    def _register_etag_headers(self) -> None:
        """Conditional headers are parameters of the operations that take them."""

    def _register_pagination_header(self) -> None:
        """Pages are in the envelope and in `Link`; smorest's own header stays out of the document."""

    def describe(self) -> None:
        """The parts that belong to no operation; to be called once, before the blueprints are registered."""
        self.spec.components.security_scheme(
            "token",
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "kehu_<id>_<secret><checksum>",
                "description": "Made by `kehu tokens create`.",
            },
        )
        converters.describe(self)


def _description(status: http.HTTPStatus) -> str:
    return f"{status.phrase}. {status.description}".removesuffix(" ") if status.description else f"{status.phrase}."
