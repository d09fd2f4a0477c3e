"""ETags, and what a request demands of them (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Set

from flask import Request
from werkzeug.datastructures import ETags

from app.core.preconditions import Precondition

# "<version>" or "<version>.<metrics_version>".
_TAG = re.compile(r"([0-9]{1,18})(?:\.[0-9]{1,18})?\Z")
_ONE = re.compile(r'(?:W/)?"([0-9]{1,18}(?:\.[0-9]{1,18})?)"\Z')

_NOTHING: frozenset[str] = frozenset()


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


def known(request: Request) -> frozenset[str]:
    """The tags of ours that the caller of a read has answers of, by `If-None-Match`; `*` is any."""
    text = request.environ.get("HTTP_IF_NONE_MATCH")
    if text is None:
        return _NOTHING
    # What all send who repeat what they were told, read without Werkzeug's 20 us.
    if one := _ONE.match(text):
        return frozenset((one[1],))
    found = request.if_none_match
    return frozenset("*") if found.star_tag else frozenset(tag for tag in _tags(found) if _TAG.match(tag))


def is_fresh(known: Set[str], tag: str) -> bool:
    """Whether what `tag` names is among `known`."""
    return tag in known or "*" in known


def _tags(found: ETags) -> set[str]:
    # Werkzeug reads `""` as None.
    return {tag for tag in found.as_set(include_weak=True) if tag is not None}
