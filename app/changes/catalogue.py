"""Which types of events there are, and the scope that lets a token see each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.core.caller import Caller

SCOPES: Mapping[str, str] = {
    "customer.created": "customers:read",
    "customer.updated": "customers:read",
    "customer.deleted": "customers:read",
    "customer.restored": "customers:read",
    "customer.metrics_changed": "customers:read",
    "contact_history.created": "history:read",
    "contact_history.updated": "history:read",
    "contact_history.deleted": "history:read",
    "contact_history.restored": "history:read",
    "segment.created": "segments:read",
    "segment.updated": "segments:read",
    "segment.deleted": "segments:read",
    "segment.joined": "segments:read",
    "segment.left": "segments:read",
    "token.created": "tokens:manage",
    "token.rotated": "tokens:manage",
    "token.revoked": "tokens:manage",
}

# What may stand in `types=`: a type, or all of one kind of thing.
PATTERNS = tuple(sorted({*SCOPES, *(f"{name.partition('.')[0]}.*" for name in SCOPES)}))


def visible(caller: Caller, patterns: Iterable[str] | None) -> tuple[str, ...] | None:
    """The types among `patterns` (None: all) that the caller may see; None where that is every type there is."""
    wanted = {name for name in SCOPES if patterns is None or name in patterns or f"{name.partition('.')[0]}.*" in patterns}
    found = tuple(sorted(name for name in wanted if caller.may(SCOPES[name])))
    return None if len(found) == len(SCOPES) else found
