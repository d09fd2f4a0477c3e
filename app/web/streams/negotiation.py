"""Which kind of stream a request brings and which it asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus

from flask import Request
from werkzeug.http import parse_options_header

from app.core.errors import FieldFault, Invalid
from app.web import idempotency
from app.web.problems import HttpProblem


class Kind(StrEnum):
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"


OFFERED = (Kind.NDJSON, Kind.CSV)
_NAMES = {Kind.NDJSON: Kind.NDJSON, "application/ndjson": Kind.NDJSON, "application/jsonl": Kind.NDJSON, Kind.CSV: Kind.CSV}

_QUALITY = re.compile(r"q\s*=\s*([01](?:\.[0-9]{0,3})?)\Z")


def accepted(request: Request, offered: Sequence[Kind]) -> Kind:
    """Which of `offered` to answer with, the first where nothing is said. Raises 406. RFC 9110, section 12.5.1."""
    accept = request.headers.get("Accept", "")
    if not accept.strip():
        return offered[0]
    ranges = [_range(one) for one in accept.split(",")]
    best = max(offered, key=lambda kind: _quality(kind, ranges))
    if _quality(best, ranges) <= 0:
        raise HttpProblem(HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", offered="` or `".join(offered))
    return best


def _range(text: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    found = next((match for parameter in parameters if (match := _QUALITY.match(parameter))), None)
    return kind, float(found.group(1)) if found else 1.0


def _quality(kind: Kind, ranges: list[tuple[str, float]]) -> float:
    """By the most specific range that names it; 0 where none does."""
    ranks = {"*/*": 0, kind.partition("/")[0] + "/*": 1, str(kind): 2}
    return max(((ranks[name], quality) for name, quality in ranges if name in ranks), default=(0, 0.0))[1]


def sent(request: Request) -> Kind:
    """What the body is. Raises 415; and Invalid where it came with an `Idempotency-Key`, which would promise what is not kept."""
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    found = _NAMES.get(kind.lower())
    if found is None or encoding not in ("identity", "gzip") or options.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise HttpProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_stream", offered="` or `".join(OFFERED))
    if idempotency.HEADER in request.headers:
        fault = FieldFault(f"header.{idempotency.HEADER}", "not_supported", "A stream takes no key: sending it again is safe without.")
        raise Invalid([fault], code="idempotency_not_supported")
    return found


def is_compressed(request: Request) -> bool:
    return request.headers.get("Content-Encoding", "identity").strip().lower() == "gzip"
