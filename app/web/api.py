"""Our Api and Blueprint: the single place that touches flask-smorest.

`Blueprint.reads` and `Blueprint.writes` wrap a view in everything that is promised of every operation, in the order in which the
statuses are promised: token (401), scope (403), gate (406, 413, 415, 400), schema (422), then the view, inside a leased connection or
inside one unit of work. They write the document from the same arguments, so that it cannot say anything else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import flask_smorest
from flask import Flask, Response

from app.db import failures, unit_of_work
from app.db.unit_of_work import UnitOfWork
from app.web import application, etags, frame, gate, idempotency, waiting
from app.web.document import DESCRIPTION, DocumentMixin, Operation, Plugin, described
from app.web.frame import Read, Write
from app.web.schemas import ProblemSchema, QuerySchema, Schema, load_body, load_query
from app.web.streams.operations import StreamsMixin

# Any: views take what their address and schemas give them.
View = TypeVar("View", bound=Callable[..., Any])


class Api(DocumentMixin, flask_smorest.Api):  # type: ignore[misc]  # flask_smorest ships no types
    """flask-smorest's Api, whose errors are problem documents and whose document says all that is true of them."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """`app.web.problems` answers errors; smorest's own handler would drop the headers of 401, 405 and 503."""


class Blueprint(StreamsMixin, flask_smorest.Blueprint):  # type: ignore[misc]  # flask_smorest ships no types
    """One feature's operations."""

    def reads(
        self,
        operation_id: str,
        *,
        scope: str | None,
        needs: Sequence[str] = (),
        answer: type[Schema],
        body: type[Schema] | None = None,
        body_max_bytes: int | None = None,
        query: type[QuerySchema] | None = None,
        refuses: Sequence[int] = (),
        headers: Sequence[str] = (),
        tagged: bool = False,
    ) -> Callable[[View], View]:
        """A view that changes nothing, on a leased autocommit connection. `scope` None: any valid token; `needs`: scopes beside it.

        With a `body` it is a question that is too long for an address.
        Where the view has nothing yet and the query has `wait`, it is asked again for so many seconds, without a connection in between.
        """
        scopes = (*(() if scope is None else (scope,)), *needs)
        operation = Operation(
            operation_id,
            scope,
            HTTPStatus.OK,
            answer,
            needs=needs,
            body=body,
            query=query,
            refuses=refuses,
            headers=headers,
            tagged=tagged,
        )
        body_schema = body() if body is not None else None
        query_schema = query() if query is not None else _NO_QUERY

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def run(resource: Any, **arguments: Any) -> Response:
                asked, here = application.running(), frame.runtime()
                caller = frame.admit(asked, here, scopes)
                if body_schema is not None:
                    bounds = here.bounds(body_max_bytes)
                    arguments["body"] = load_body(body_schema, gate.read_object(asked, bounds, numbers=body_schema.numbers))
                parameters = load_query(query_schema, gate.read_query(asked))
                if query is not None:
                    arguments["query"] = parameters
                known = etags.known(asked)

                def ask() -> Any:
                    with here.database.lease(frame.deadline(asked, here)) as connection:
                        return view(resource, Read(connection, caller, known), **arguments)

                try:
                    result = waiting.ask_until_there(ask, seconds=parameters.get("wait", 0), places=here.waiters)
                except failures.DATABASE_ERRORS as error:
                    frame.raise_meaning(error, narrowable=operation.is_narrowable)
                if result.tag is not None and etags.is_fresh(known, result.tag):
                    return frame.not_modified(result)
                return frame.respond(result, HTTPStatus.OK, answer)

            return described(self, run, operation)  # type: ignore[return-value]  # the same view to its callers, wrapped

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
        body_max_bytes: int | None = None,
        query: type[QuerySchema] | None = None,
        refuses: Sequence[int] = (),
        headers: Sequence[str] = (),
        versioned: bool = False,
        holds_secret: bool = False,
    ) -> Callable[[View], View]:
        """A view inside one unit of work: nothing is sent before the commit, and nothing is kept of what was refused.

        `also`: further statuses of success and what they mean. `holds_secret`: the answer is not kept under an idempotency key,
        only the id of what the secret belongs to.
        """
        operation = Operation(
            operation_id,
            scope,
            status,
            answer,
            body=body,
            body_required=body_required,
            query=query,
            refuses=(*refuses, HTTPStatus.CONFLICT),
            headers=(*headers, "Kehu-Position", idempotency.REPLAYED),
            tagged=versioned and answer is not None,
            writes=True,
            versioned=versioned,
            also=also or {},
        )
        body_schema = body() if body is not None else None
        query_schema = query() if query is not None else _NO_QUERY

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def run(resource: Any, **arguments: Any) -> Response:
                asked, here = application.running(), frame.runtime()
                caller = frame.admit(asked, here, (scope,))
                numbers = body_schema.numbers if body_schema is not None else "float"
                bounds = here.bounds(body_max_bytes)
                sent = gate.read_body(asked, bounds, taken=body_schema is not None, required=body_required, numbers=numbers)
                if body_schema is not None:
                    arguments["body"] = load_body(body_schema, sent or {})
                parameters = load_query(query_schema, gate.read_query(asked))
                if query is not None:
                    arguments["query"] = parameters
                demanded = etags.precondition(asked, required=versioned and here.config.require_if_match)
                key = idempotency.key_of(asked, caller, sent)

                def work(unit: UnitOfWork) -> Response:
                    stored = here.keys.claim(unit, key) if key is not None else None
                    if stored is not None:
                        return idempotency.replay(stored)
                    # Dumped inside the unit: an answer that cannot be written undoes its write.
                    result = view(resource, Write(unit, caller, demanded), **arguments)
                    response = frame.respond(result, status, answer)
                    if unit.position is not None:
                        response.headers["Kehu-Position"] = here.positions.text(unit.position)
                    if key is not None:
                        here.keys.keep(unit, key, idempotency.to_store(response, secret_id=result.value.id if holds_secret else None))
                    return response

                try:
                    done = unit_of_work.run(here.database, frame.deadline(asked, here), work)
                except failures.DATABASE_ERRORS as error:
                    frame.raise_meaning(error, narrowable=False)
                if key is not None:
                    here.keys.tidy(frame.deadline(asked, here))
                return done

            return described(self, run, operation)  # type: ignore[return-value]  # the same view to its callers, wrapped

        return decorate


class _NoQuerySchema(QuerySchema):
    """An operation without parameters: any is unknown."""


_NO_QUERY = _NoQuerySchema()


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
