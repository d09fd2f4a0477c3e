"""Who is calling, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.core.errors import Forbidden

SCOPES = (
    "customers:read",
    "customers:write",
    "history:read",
    "history:write",
    "segments:read",
    "segments:write",
    "changes:read",
    "webhooks:manage",
    "tokens:manage",
)
ALL_SCOPES = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """The token behind a request, or the command line (`token_id` None)."""

    token_id: UUID | None
    name: str
    scopes: frozenset[str]
    request_id: str

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ALL_SCOPES in self.scopes

    def need(self, scope: str) -> None:
        """Raises Forbidden, naming the scope, where the caller lacks it."""
        if not self.may(scope):
            raise Forbidden(scope=scope)

    @property
    def actor(self) -> dict[str, str | None]:
        """The caller as it stands in events."""
        if self.token_id is None:
            return {"type": "command_line", "id": None, "name": self.name}
        return {"type": "token", "id": str(self.token_id), "name": self.name}


def command_line(name: str) -> Caller:
    """An operator at the machine itself, who may do everything."""
    return Caller(token_id=None, name=name, scopes=frozenset((ALL_SCOPES,)), request_id=f"cli-{name}")
