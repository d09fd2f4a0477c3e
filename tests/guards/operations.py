"""Every operation of the API, for guards that hold for each of them, whatever is added later."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from app import factory

METHODS = ("get", "post", "put", "patch", "delete")
NOBODY = "01890000-0000-7000-8000-000000000000"
# Values for the variable parts of addresses: of the right form, and standing for nothing.
_NOWHERE = {"source": "nowhere", "external_id": "nobody"}


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
        """The scope that its token needs; None where any token will do."""
        scopes = self.described["security"][0]["token"]
        return scopes[0] if scopes else None

    @property
    def writes(self) -> bool:
        return self.method != "get"

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.described

    @property
    def least_body(self) -> dict[str, Any] | None:
        """The smallest body that it takes, made of the document's own examples; None where it takes none."""
        if not self.takes_body:
            return None
        reference = self.described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = factory.document()["components"]["schemas"][reference.rpartition("/")[2]]
        return {name: schema["properties"][name]["examples"][0] for name in schema.get("required", ())}

    @property
    def imports(self) -> bool:
        """Whether the body is a stream of lines, which is no JSON and takes no idempotency key."""
        return "application/x-ndjson" in self.described.get("requestBody", {}).get("content", {})

    @property
    def exports(self) -> bool:
        """Whether the answer is a stream of rows."""
        return not self.writes and "application/x-ndjson" in self.described["responses"]["200"].get("content", {})

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
