"""Cursors and page envelopes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from flask import request

from app.core.caller import Caller
from app.core.errors import BadCursor
from app.core.signing import BadSignature, Signer
from app.web.answers import Answer
from app.web.dump import Dump

# Any: sort values and rows of any feature.

# How far into a page a walk has come says nothing about which walk it is.
_NOT_PART_OF_THE_QUERY = frozenset(("cursor", "limit", "count", "fields_"))


class Cursors:
    """Signed places in lists; each belongs to one query of one token."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, "cursor")

    def text(self, key: Sequence[Any], caller: Caller, query: Mapping[str, Any]) -> str:
        """The cursor behind the row with the sort values `key`."""
        return self._signer.sign(_print_of(caller, query) + orjson.dumps([_plain(value) for value in key]))

    def read(self, query: Mapping[str, Any], caller: Caller) -> tuple[Any, ...] | None:
        """The sort values in `query["cursor"]`, None where there is none. Raises BadCursor where it is damaged or of another query."""
        if query["cursor"] is None:
            return None
        try:
            payload = self._signer.read(query["cursor"])
        except BadSignature as error:
            raise BadCursor from error
        of_query = _print_of(caller, query)
        if payload[: len(of_query)] != of_query:
            raise BadCursor
        return tuple(_value(item) for item in orjson.loads(payload[len(of_query) :]))


def answer(
    rows: Sequence[Any],
    *,
    cursors: Cursors,
    caller: Caller,
    query: Mapping[str, Any],
    dump: Dump,
    key: Callable[[Any], Sequence[Any]],
    total: int | None = None,
) -> Answer:
    """The page of `rows`, which were asked for with one more than the limit: that one says that there is a next page."""
    shown = rows[: query["limit"]]
    cursor = cursors.text(key(shown[-1]), caller, query) if len(rows) > len(shown) else None
    envelope: dict[str, Any] = {"data": [dump(row) for row in shown], "next_cursor": cursor}
    if total is not None:
        envelope["total"] = total
    # A page that was asked for by a body has no address.
    headers = {"Link": f'<{_address(cursor)}>; rel="next"'} if cursor is not None and request.method != "POST" else {}
    return Answer(dumped=envelope, headers=headers)


def _address(cursor: str) -> str:
    # Relative, so that no Host header from outside gets into a link.
    return f"{request.path}?{urlencode({**request.args, 'cursor': cursor})}"


def _print_of(caller: Caller, query: Mapping[str, Any]) -> bytes:
    asked = {name: value for name, value in query.items() if name not in _NOT_PART_OF_THE_QUERY}
    told = orjson.dumps([request.path, str(caller.token_id), asked], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(told).digest()[:8]


_READERS: Mapping[str, Callable[[str], Any]] = {"t": datetime.fromisoformat, "d": date.fromisoformat, "n": Decimal, "u": UUID}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    if isinstance(value, Decimal):
        return {"n": str(value)}
    return {"u": value.hex} if isinstance(value, UUID) else value


def _value(item: Any) -> Any:
    if isinstance(item, dict):
        ((kind, text),) = item.items()
        return _READERS[kind](text)
    return item
