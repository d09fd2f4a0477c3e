"""What the OpenAPI document says of streams: texts of many lines, since no generated client knows a type for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.web.schemas import Schema
from app.web.streams import columns
from app.web.streams.negotiation import Kind

# Any: the document is JSON.

_ENCODING: dict[str, Any] = {
    "in": "header",
    "name": "Content-Encoding",
    "schema": {"type": "string", "enum": ["gzip"]},
    "description": "`gzip` where the body is compressed.",
}

_RESULTS = (
    "One JSON object a line, as lines are written: `line`, `outcome` (created, updated, unchanged, stale, deleted, failed), `status`, "
    "`source`, `external_id`, `id`, `version`, and `problem` where it failed. Where the stream ends early a line with the outcome `ended` "
    "names in its `problem` the line from which to send again. The last line is always "
    '`{"summary": {"read", "created", "updated", "unchanged", "stale", "deleted", "failed", "position"}}`.'
)


def of_import(run: Callable[..., Any], line: type[Schema]) -> Callable[..., Any]:
    """`run` with its body and its answer in the document."""
    name = line.__name__.removesuffix("Schema")
    listed = ", ".join(f"`{column}`" for column in columns.of(line).names)
    manual = run._apidoc["manual_doc"]  # type: ignore[attr-defined]  # written by `document.described`
    manual["requestBody"] = {
        "required": True,
        "description": "Any length; a line may have 1 MB.",
        "content": {
            Kind.NDJSON.value: _text(f"A {name} a line."),
            Kind.CSV.value: _text(f"A header of these columns in any order, then records; `,`, `;` or tab between cells: {listed}."),
        },
    }
    _answers(run, {Kind.NDJSON.value: _text(_RESULTS)})
    run._apidoc["arguments"]["parameters"].append(_ENCODING)  # type: ignore[attr-defined]  # as above
    return run


def of_export(run: Callable[..., Any], row: type[Schema]) -> Callable[..., Any]:
    """`run` with its answer in the document."""
    name = row.__name__.removesuffix("Schema")
    said = "An answer that ends without its last chunk is incomplete."
    _answers(
        run,
        {
            Kind.NDJSON.value: _text(f"A {name} a line. {said}"),
            Kind.CSV.value: _text(f"A header, then a record for each; lists and objects as JSON; formulas begin with `'`. {said}"),
        },
    )
    return run


def _answers(run: Callable[..., Any], content: dict[str, Any]) -> None:
    run._apidoc["manual_doc"]["responses"][200] = {"content": content}  # type: ignore[attr-defined]  # as above


def _text(description: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "description": description}}
