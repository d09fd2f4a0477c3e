"""Every operation of the API, for guards that hold for each of them, whatever is added later."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from app import factory
from app.core import limits

METHODS = ("get", "post", "put", "patch", "delete")
NOBODY = "01890000-0000-7000-8000-000000000000"
# Values for the variable parts of addresses: of the right form, and standing for nothing.
_NOWHERE = {"source": "nowhere", "external_id": "nobody"}
STREAM = "application/x-ndjson"
# What asks for so much that it needs a body, and writes nothing.
_READS_BY_POST = {"look_up_customers", "preview_segment", "search_contact_history", "search_customers"}
# What takes a thousand things at once.
_LARGE = {"batch_contact_history", "batch_customers", "batch_segment_members", "look_up_customers"}


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    described: dict[str, Any]

    @property
    def address(self) -> str:
        """The path with something in place of each variable part that exists nowhere."""
        parts = (part if part[:1] != "{" else _NOWHERE.get(part[1:-1], NOBODY) for part in self.path.split("/"))
        return "/".join(parts)

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    @property
    def is_feature(self) -> bool:
        """Whether a token is needed: everything below /v1 but what tells of the service itself."""
        return self.path.startswith("/v1/") and not self.path.startswith("/v1/meta/")

    @property
    def scope(self) -> str | None:
        """The scope that its token needs first; None where any token will do."""
        return self.scopes[0] if self.scopes else None

    @property
    def scopes(self) -> list[str]:
        """All the scopes that its token needs."""
        found: list[str] = self.described["security"][0]["token"]
        return found

    @property
    def writes(self) -> bool:
        return self.method != "get" and self.name not in _READS_BY_POST

    @property
    def takes_stream(self) -> bool:
        return STREAM in self.described.get("requestBody", {}).get("content", {})

    @property
    def gives_stream(self) -> bool:
        return STREAM in self.described["responses"].get("200", {}).get("content", {})

    @property
    def takes_body(self) -> bool:
        """Whether it takes one JSON document."""
        return "requestBody" in self.described and not self.takes_stream

    @property
    def body_max_bytes(self) -> int:
        return limits.BATCH_BODY_MAX_BYTES if self.name in _LARGE else 1_048_576

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Those of the query, by name."""
        return {one["name"]: one for one in self.described.get("parameters", []) if one["in"] == "query"}

    @property
    def required(self) -> list[str]:
        """Parameters of the query without which there is no question; each takes an id."""
        return [name for name, one in self.parameters.items() if one.get("required")]

    @property
    def something(self) -> dict[str, Any]:
        """A body of the type that it takes, if it takes one, as arguments of `Api.request`."""
        if self.takes_stream:
            return {"data": b"", "content_type": STREAM}
        return {"json": {}} if self.takes_body else {}

    @property
    def least_body(self) -> dict[str, Any] | None:
        """The smallest body that it takes, made of the document's own examples; None where it takes none."""
        if not self.takes_body:
            return None
        reference = self.described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = factory.document()["components"]["schemas"][reference.rpartition("/")[2]]
        return {name: schema["properties"][name]["examples"][0] for name in schema.get("required", ())}

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.described["responses"] if status != "default"}


@cache
def operations() -> tuple[Operation, ...]:
    document = factory.document()
    return tuple(
        Operation(method, path, described[method])
        for path, described in document["paths"].items()
        for method in METHODS
        if method in described
    )


def features() -> list[Any]:
    """The operations that need a token, as parameters of a test."""
    return [pytest.param(operation, id=operation.name) for operation in operations() if operation.is_feature]
