"""`Blueprint.imports` and `Blueprint.exports`: what is promised of every stream, in the order in which the statuses are promised.

Token (401), scope (403), Accept (406), type (415), key and query (422), a place (503), the beginning of the body (408, 415, 422); then the
answer begins, and what goes wrong later is said in its lines or, of an export, by a connection that is cut.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, request, stream_with_context

from app.core.caller import Caller
from app.db import failures
from app.web import auth, context, frame, gate
from app.web.document import Operation, described
from app.web.schemas import QuerySchema, Schema, load_query
from app.web.streams import columns, documents, exporting, importing, incoming, negotiation, outgoing, places
from app.web.streams.exporting import Rows
from app.web.streams.negotiation import Kind
from app.web.streams.schemas import ImportQuerySchema

# Any: views take what their address and schemas give them.

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(slots=True)
class Import:
    """What an importing view is given beside its query; it returns an `Apply`."""

    caller: Caller
    request_id: str


@dataclass(slots=True)
class Export:
    """What an exporting view is given beside its query; it returns `Rows`."""

    caller: Caller
    kind: Kind
    request_id: str


class StreamsMixin:
    """The part of our Blueprint that knows streams."""

    def imports(
        self,
        operation_id: str,
        *,
        scope: str,
        line: type[Schema],
        query: type[ImportQuerySchema] = ImportQuerySchema,
        refuses: Sequence[int] = (),
    ) -> Callable[[View], View]:
        """A view that returns how to write a chunk of lines (`Apply`). `line`: whose fields the columns of CSV are.

        The view runs before the answer begins, and may still refuse; `query` has `report` beside its own.
        """
        operation = Operation(operation_id, scope, HTTPStatus.OK, None, query=query, refuses=(*refuses, 408, 413, 415))
        query_schema = query()
        known = columns.of(line)

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def run(resource: Any, **arguments: Any) -> Response:
                caller = _admit(scope)
                negotiation.accepted(request, [Kind.NDJSON])
                kind = negotiation.sent(request)
                parameters = load_query(query_schema, gate.read_query(request))
                here = frame.runtime()
                call = Import(caller, context.current_request_id())
                with places.taken(here.streams) as place:
                    apply = view(resource, call, query=parameters, **arguments)
                    lines = incoming.begin(request, kind, known, seconds=here.config.stream_timeout)
                    writing = importing.Importing(here, here.crew, apply, report_all=parameters["report"] == "all")
                    pieces = importing.run(lines, writing, here.positions.text)
                    return _streamed(outgoing.Answering(pieces, place, lines, outgoing.of_request(request)), Kind.NDJSON, {})

            return documents.of_import(described(self, run, operation), line)  # type: ignore[return-value]  # the same view, wrapped

        return decorate

    def exports(
        self,
        operation_id: str,
        *,
        scope: str,
        needs: Sequence[str] = (),
        query: type[QuerySchema],
        row: type[Schema],
        refuses: Sequence[int] = (),
        headers: Sequence[str] = ("Kehu-Position", "Kehu-Snapshot"),
    ) -> Callable[[View], View]:
        """A view that returns `Rows`, of which the first is asked for before the answer begins.

        `row`: what a line of NDJSON holds; `needs`: scopes beside `scope`.
        """
        operation = Operation(operation_id, scope, HTTPStatus.OK, None, needs=needs, query=query, refuses=refuses, headers=headers)
        query_schema = query()

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def run(resource: Any, **arguments: Any) -> Response:
                caller = _admit(scope, *needs)
                kind = negotiation.accepted(request, negotiation.OFFERED)
                parameters = load_query(query_schema, gate.read_query(request))
                call = Export(caller, kind, context.current_request_id())
                try:
                    with places.taken(frame.runtime().streams) as place:
                        rows: Rows = view(resource, call, query=parameters, **arguments)
                        return _streamed(exporting.begin(rows, kind, place, request), kind, rows.headers)
                except failures.DATABASE_ERRORS as error:
                    frame.raise_meaning(error, narrowable=True)

            return documents.of_export(described(self, run, operation), row)  # type: ignore[return-value]  # the same view, wrapped

        return decorate


def _admit(*scopes: str) -> Caller:
    caller = auth.caller_of(request, frame.runtime().look_up)
    for scope in scopes:
        caller.need(scope)
    return caller


def _streamed(pieces: outgoing.Answering, kind: Kind, headers: Mapping[str, str]) -> Response:
    content_type = "text/csv; charset=utf-8" if kind is Kind.CSV else kind.value
    # The request stays at hand for whatever the feature asks of it between two pieces.
    response = Response(stream_with_context(pieces), status=HTTPStatus.OK, content_type=content_type)
    # Where nothing was asked for, as by HEAD, the wrapping generator never began and would close nothing.
    response.call_on_close(pieces.close)
    response.headers.update(headers)
    response.headers["Cache-Control"] = "private, no-cache"
    return response
