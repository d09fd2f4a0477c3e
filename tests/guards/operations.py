"""Every operation of the API, for guards that hold for each of them, whatever is added later."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from app import factory

METHODS = ("get", "post", "put", "patch", "delete")
NOBODY = "01890000-0000-7000-8000-000000000000"
# Questions that are too long for an address.
_READS_BY_POST = frozenset(("search_customers",))
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
        return self.method != "get" and self.name not in _READS_BY_POST

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.described

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
