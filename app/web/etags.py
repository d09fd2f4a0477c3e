"""ETags, and what a request demands of them (RFC 9110, section 13)."""

from __future__ import annotations

import re

from flask import Request
from werkzeug.datastructures import ETags

from app.core.preconditions import Precondition

# "<version>" or "<version>.<metrics_version>".
_TAG = re.compile(r"([0-9]{1,18})(?:\.[0-9]{1,18})?\Z")


def precondition(request: Request, *, required: bool) -> Precondition:
    """What `If-Match` and `If-None-Match: *` of a writing request demand. A tag that is none of ours matches no version.

    Only the part before the dot counts: an interaction that arrives in between must not make a change to the name fail. `W/` is
    stripped, since proxies that compress weaken every tag, and ours say the same either way.
    """
    match = request.if_match
    absent = request.if_none_match.star_tag
    if "If-Match" not in request.headers:
        return Precondition(absent=absent, required=required)
    if match.star_tag:
        return Precondition(exists=True, absent=absent, required=required)
    found = (_TAG.match(tag) for tag in _tags(match))
    return Precondition(versions=frozenset(int(tag.group(1)) for tag in found if tag), absent=absent, required=required)


def is_fresh(request: Request, tag: str) -> bool:
    """Whether the caller of a read already has what `tag` names."""
    none_match = request.if_none_match
    return "If-None-Match" in request.headers and (none_match.star_tag or tag in _tags(none_match))


def _tags(found: ETags) -> set[str]:
    # Werkzeug reads `""` as None.
    return {tag for tag in found.as_set(include_weak=True) if tag is not None}
