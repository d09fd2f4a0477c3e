"""Our Api and Blueprint: the single place that touches flask-smorest, and the frame of every request.

`Blueprint.reads` and `Blueprint.writes` wrap a view in everything that is promised of every operation, in the order in which the
statuses are promised: token (401), scope (403), gate (406, 413, 415, 400), schema (422), then the view, inside a leased connection or
inside one unit of work. They write the document from the same arguments, so that it cannot say anything else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import flask_smorest
from flask import Flask, Response, current_app, request
from sqlalchemy import Connection

from app.config import Config
from app.core.caller import Caller
from app.core.preconditions import Precondition
from app.db import failures, unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.web import auth, context, dump, etags, gate, problems
from app.web.answers import Answer
from app.web.document import COMMON_PROBLEMS, DESCRIPTION, IF_MATCH, IF_NONE_MATCH, DocumentMixin, Plugin, header_docs
from app.web.paging import Cursors
from app.web.schemas import ProblemSchema, QuerySchema, Schema, load_body, load_query

# Any: views take what their address and schemas give them.
View = TypeVar("View", bound=Callable[..., Any])

# Encodes a position for its header; handed in by the factory, since positions belong to the changes.
PositionText = Callable[[tuple[int, int, int]], str]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the frame needs of the process; one per application."""

    config: Config
    database: Database
    look_up: auth.TokenLookUp
    position_text: PositionText
    cursors: Cursors


@dataclass(slots=True)
class Read:
    """What a reading view is given beside its arguments."""

    db: Connection
    caller: Caller


@dataclass(slots=True)
class Write:
    """What a writing view is given beside its arguments; it may be called again in a new unit and must keep nothing."""

    unit: UnitOfWork
    caller: Caller
    precondition: Precondition


def runtime() -> Runtime:
    found: Runtime = current_app.extensions["kehu"]
    return found


class Api(DocumentMixin, flask_smorest.Api):  # type: ignore[misc]  # flask_smorest ships no types
    """flask-smorest's Api, whose errors are problem documents and whose document says all that is true of them."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """`app.web.problems` answers errors; smorest's own handler would drop the headers of 401, 405 and 503."""


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask_smorest ships no types
    """One feature's operations."""

    def reads(
        self,
        operation_id: str,
        *,
        scope: str | None,
        answer: type[Schema],
        query: type[QuerySchema] | None = None,
        refuses: Sequence[int] = (),
        headers: Sequence[str] = (),
        tagged: bool = False,
    ) -> Callable[[View], View]:
        """A view that changes nothing, on a leased autocommit connection. `scope` None: any valid token."""

        def decorate(view: View) -> View:
            query_schema = query() if query is not None else None

            @functools.wraps(view)
            def run(resource: Any, **arguments: Any) -> Response:
                caller = _admit(scope)
                if query_schema is not None:
                    arguments["query"] = load_query(query_schema, gate.read_query(request))
                elif request.query_string:
                    load_query(_NO_QUERY, gate.read_query(request))
                here = runtime()
                until = context.current().started + here.config.request_deadline
                try:
                    with here.database.lease(until) as connection:
                        result = view(resource, Read(connection, caller), **arguments)
                except failures.DATABASE_ERRORS as error:
                    _raise_meaning(error, reading=True)
                if result.tag is not None and etags.is_fresh(request, result.tag):
                    return _finish(Response(status=HTTPStatus.NOT_MODIFIED), result)
                return _respond(result, HTTPStatus.OK, answer)

            self._describe(run, operation_id, scope, HTTPStatus.OK, answer, query=query, refuses=refuses, headers=headers, tagged=tagged)
            return run  # type: ignore[return-value]  # the same view to its callers, wrapped

        return decorate

    def writes(
        self,
        operation_id: str,
        *,
        scope: str,
        answer: type[Schema] | None,
        status: HTTPStatus = HTTPStatus.OK,
        also: Mapping[HTTPStatus, str] | None = None,
        body: type[Schema] | None = None,
        body_required: bool = True,
        query: type[QuerySchema] | None = None,
        refuses: Sequence[int] = (),
        headers: Sequence[str] = (),
        versioned: bool = False,
    ) -> Callable[[View], View]:
        """A view inside one unit of work: nothing is sent before the commit, and nothing is kept of what was refused.

        `also`: further statuses of success and what they mean.
        """

        def decorate(view: View) -> View:
            body_schema = body() if body is not None else None
            query_schema = query() if query is not None else _NO_QUERY

            @functools.wraps(view)
            def run(resource: Any, **arguments: Any) -> Response:
                caller = _admit(scope)
                here = runtime()
                bounds = gate.Bounds(max_bytes=here.config.max_body_bytes, seconds=here.config.body_timeout)
                if body_schema is not None:
                    sent = gate.read_object(request, bounds) if body_required or gate.has_body(request) else {}
                    arguments["body"] = load_body(body_schema, sent)
                else:
                    gate.refuse_body(request, bounds)
                parameters = load_query(query_schema, gate.read_query(request))
                if query is not None:
                    arguments["query"] = parameters
                demanded = etags.precondition(request, required=versioned and here.config.require_if_match)

                def work(unit: UnitOfWork) -> Response:
                    # Dumped inside the unit: an answer that cannot be written undoes its write.
                    result = view(resource, Write(unit, caller, demanded), **arguments)
                    response = _respond(result, status, answer)
                    if unit.position is not None:
                        response.headers["Kehu-Position"] = here.position_text(unit.position)
                    return response

                until = context.current().started + here.config.request_deadline
                try:
                    return unit_of_work.run(here.database, until, work)
                except failures.DATABASE_ERRORS as error:
                    _raise_meaning(error, reading=False)

            self._describe(
                run,
                operation_id,
                scope,
                status,
                answer,
                body=body,
                body_required=body_required,
                query=query,
                refuses=refuses,
                headers=(*headers, "Kehu-Position"),
                versioned=versioned,
                tagged=versioned and answer is not None,
                also=also,
            )
            return run  # type: ignore[return-value]  # the same view to its callers, wrapped

        return decorate

    def _describe(
        self,
        run: Callable[..., Any],
        operation_id: str,
        scope: str | None,
        status: HTTPStatus,
        answer: type[Schema] | None,
        *,
        body: type[Schema] | None = None,
        body_required: bool = True,
        query: type[QuerySchema] | None = None,
        refuses: Sequence[int] = (),
        headers: Sequence[str] = (),
        tagged: bool = False,
        versioned: bool = False,
        also: Mapping[HTTPStatus, str] | None = None,
    ) -> None:
        """Writes the operation's part of the document, by smorest's own decorators where it has one."""
        documented: Callable[..., Any] = _bare(run)
        successes = header_docs((*headers, *(("ETag",) if tagged else ())))
        documented = self.response(status, answer, headers=successes)(documented)
        for other, meaning in (also or {}).items():
            documented = self.alt_response(other, schema=answer, description=meaning, headers=successes, success=True)(documented)
        if body is not None:
            documented = self.arguments(body, required=body_required)(documented)
        if query is not None:
            documented = self.arguments(query, location="query")(documented)
        # smorest documents a 422 for every argument, with a schema of its own; ours come from the list below.
        statuses = {*COMMON_PROBLEMS, *refuses, *((403,) if scope else ()), *((408, 413, 415, 400) if body else ())}
        if versioned:
            statuses |= {412, 428}
        manual: dict[str, Any] = {
            "operationId": operation_id,
            "security": [{"token": [scope] if scope else []}],
            "responses": {number: HTTPStatus(number).name for number in sorted(statuses)},
        }
        conditional = [IF_MATCH] if versioned else []
        if tagged and not versioned:
            conditional = [IF_NONE_MATCH]
            manual["responses"][304] = "NOT_MODIFIED"
        run._apidoc = deepcopy(documented._apidoc)  # type: ignore[attr-defined]  # where smorest looks for it
        run._apidoc["manual_doc"] = manual  # type: ignore[attr-defined]
        # Beside the parameters of the query: in `manual_doc` the list would replace theirs.
        run._apidoc.setdefault("arguments", {}).setdefault("parameters", []).extend(conditional)  # type: ignore[attr-defined]


class _NoQuerySchema(QuerySchema):
    """An operation without parameters: any is unknown."""


_NO_QUERY = _NoQuerySchema()


def install(app: Flask, here: Runtime) -> None:
    app.extensions["kehu"] = here


def _admit(scope: str | None) -> Caller:
    caller = auth.caller_of(request, runtime().look_up)
    if scope is not None:
        caller.need(scope)
    gate.check_accept(request)
    return caller


def _respond(result: Answer, status: HTTPStatus, answer: type[Schema] | None) -> Response:
    payload = b"" if answer is None else dump.to_bytes(dump.compiled(answer)(result.value) if result.dumped is None else result.dumped)
    response = Response(payload, status=result.status or status, mimetype=gate.JSON if answer is not None else None)
    if answer is None:
        del response.headers["Content-Type"]
    return _finish(response, result)


def _finish(response: Response, result: Answer) -> Response:
    response.headers.update(result.headers)
    if result.tag is not None:
        response.headers["ETag"] = f'"{result.tag}"'
    # Personal data: kept by nobody in between, and shown again only after asking whether it is still true.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _raise_meaning(error: Exception, *, reading: bool) -> NoReturn:
    told = failures.meaning(error, reading=reading)
    if told is None:
        raise error
    problems.tell_database_failure(error, told)
    raise told from error


def _bare(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def documented(*args: Any, **kwargs: Any) -> Any:
        return run(*args, **kwargs)

    return documented


def document_api(app: Flask, blueprints: Sequence[Blueprint]) -> dict[str, Any]:
    """Register `blueprints` and return the OpenAPI document of what they offer."""
    api = Api(
        app,
        spec_kwargs={
            "title": "Kehu",
            "version": "v1",
            "openapi_version": "3.1.0",
            "marshmallow_plugin": Plugin(),
            "info": {"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "Where this document was read."}],
        },
    )
    api.describe()
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    document: dict[str, Any] = api.spec.to_dict()
    return document
