"""From what callers send to addressed items, and from what became of them to what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from app.core.bulk import Result
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.core.preconditions import Precondition
from app.core.syncing import Done, ExternalKey, Op, Outcome
from app.web import fields, problems
from app.web.bulk.schemas import BatchItemSchema
from app.web.schemas import Schema, load_body
from app.web.streams.lines import Line, LineResult

# Any: JSON, and what the schemas load.

# By name: to call the Enum takes three times as long.
_OPS = {op.value: op for op in Op}

# Part of every digest: to be raised where the same line comes to mean something else.
_MEANING = b"kehu-line-1"


# A tuple, since batches make a thousand at a time.
class Addressed(NamedTuple):
    """What every item says: what is to be done with the thing that has `id` or that `key` stands for; `loaded` has all of it."""

    op: Op
    id: UUID | None
    key: ExternalKey | None
    data: Mapping[str, Any]
    precondition: Precondition
    loaded: Mapping[str, Any]


def of_batch(schema: BatchItemSchema, sent: Any, *, unsaid: Precondition) -> Addressed:
    """`unsaid` is the precondition of an item that names no version. Raises Invalid, with pointers into the item."""
    if not isinstance(sent, dict):
        raise Invalid([FieldFault("", "wrong_type", "An item has to be an object.")])
    loaded = load_body(schema, sent)
    op = _OPS[loaded["op"]]
    check_address(op, loaded)
    if op is Op.DELETE and loaded["data"]:
        raise Invalid([FieldFault("/data", "not_allowed", "`delete` takes no data.")])
    version = loaded["if_version"]
    return Addressed(
        op=op,
        id=loaded["id"],
        key=ExternalKey(loaded["source"], loaded["external_id"]) if loaded["source"] is not None else None,
        data=loaded["data"] or {},
        precondition=unsaid if version is None else replace(unsaid, versions=frozenset({version})),
        loaded=loaded,
    )


def check_address(op: Op, sent: Mapping[str, Any], *, pointer: str = "") -> None:
    """Raises Invalid where `sent` does not name one thing, in one way."""
    if (sent["source"] is None) != (sent["external_id"] is None):
        missing = "source" if sent["source"] is None else "external_id"
        raise Invalid([FieldFault(f"{pointer}/{missing}", "required", "`source` and `external_id` go together.")])
    if sent["id"] is not None and (sent["source"] is not None or op is Op.CREATE):
        raise Invalid([FieldFault(f"{pointer}/id", "not_allowed", "Name it in one way; what is new has no `id` yet.")])
    if sent["id"] is None and sent["source"] is None and op is not Op.CREATE:
        raise Invalid([FieldFault(pointer, "required", "Name it by `id`, or by `source` and `external_id`.")])


def shown(index: int, sent: Any, result: Result, *, request_id: str) -> dict[str, Any]:
    """What is answered for one item of a batch."""
    reference = sent.get("client_ref") if isinstance(sent, dict) else None
    found: dict[str, Any] = {"index": index, "client_ref": reference if isinstance(reference, str) else None}
    if isinstance(result, Done):
        return {**found, "status": status_of(result), "outcome": result.outcome, "id": result.id, "version": result.version}
    document = problems.document_of(result, request_id=request_id)
    existing = document.get("existing_id")
    return {**found, "status": document["status"], "outcome": Outcome.FAILED, "id": existing, "version": None, "problem": document}


def status_of(done: Done) -> int:
    """As the same write alone would be answered."""
    if done.is_gone:
        return HTTPStatus.NO_CONTENT
    return HTTPStatus.CREATED if done.outcome is Outcome.CREATED else HTTPStatus.OK


def key_of_line(data: Mapping[str, Any], *, source: str | None) -> ExternalKey | None:
    """What a line means, without a look at the rest of it; None where that takes a look."""
    named, external_id = data.get("source") or source, data.get("external_id")
    if not isinstance(named, str) or not isinstance(external_id, str):
        return None
    try:
        return ExternalKey(fields.check_source(named), fields.clean_external_id(external_id))
    except Fault:
        return None


def digests_of_lines(lines: Iterable[Line], *, source: str | None) -> list[bytes]:
    """Of each what tells whether the same was sent before."""
    # A copy costs less than to begin anew, which hashes the key.
    begun = blake2b(digest_size=16, key=_MEANING, person=(source or "")[:16].encode())

    def digest(line: Line) -> bytes:
        digesting = begun.copy()
        digesting.update(line.raw)
        return digesting.digest()

    return [digest(line) for line in lines]


def of_line(schema: Schema, data: Mapping[str, Any], *, source: str | None) -> tuple[Op, ExternalKey, dict[str, Any]]:
    """What a line asks for, of whom, and what else it says. Raises Invalid."""
    loaded = load_body(schema, data)
    named = loaded.pop("source") or source
    if named is None:
        raise Invalid([FieldFault("/source", "required", "Name the source in the line, or for all lines by `?source=`.")])
    op = _OPS[loaded.pop("op")]
    return op, ExternalKey(named, loaded.pop("external_id")), loaded


def line_result(line: Line, key: ExternalKey | None, result: Result, *, request_id: str) -> LineResult:
    """What is answered for one line of an import."""
    source, external_id = (None, None) if key is None else (key.source, key.external_id)
    if isinstance(result, Done):
        return LineResult(line.number, result.outcome, status_of(result), source, external_id, result.id, result.version)
    document = problems.document_of(result, request_id=request_id)
    existing = document.get("existing_id")
    return LineResult(line.number, Outcome.FAILED, document["status"], source, external_id, existing, problem=document)
