"""The `Idempotency-Key` header: a write that is sent again is answered again and not executed again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

import orjson
from flask import Request, Response

from app.core.caller import Caller
from app.core.errors import FieldFault, Invalid
from app.core.idempotency import Key, StoredAnswer
from app.db.unit_of_work import UnitOfWork

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r"[\x20-\x7e]{1,255}\Z")
# What belongs to the answer; the rest, such as the request's id, belongs to the call.
_KEPT_HEADERS = ("Content-Type", "ETag", "Location", "Kehu-Position", "Kehu-Stale", "Cache-Control")


class Keys(Protocol):
    """What the frame needs of `app.idempotency.store.KeyStore`."""

    def claim(self, unit: UnitOfWork, key: Key) -> StoredAnswer | None: ...
    def keep(self, unit: UnitOfWork, key: Key, answer: StoredAnswer) -> None: ...
    def tidy(self, until: float) -> None: ...


def key_of(request: Request, caller: Caller, body: Mapping[str, Any] | None) -> Key | None:  # Any: JSON
    """The key that the request carries, None where none. Raises Invalid where it is no key.

    The body is compared as parsed: white space and the order of names do not make another request.
    """
    text = request.headers.get(HEADER)
    if text is None or caller.token_id is None:
        return None
    if not _KEY.match(text):
        raise Invalid([FieldFault(f"header.{HEADER}", "wrong_shape", "A key is 1 to 255 printable ASCII characters.")])
    sent = [request.method, request.path, sorted(request.args.items()), body]
    return Key(caller.token_id, text, hashlib.sha256(_written(sent)).digest())


def to_store(response: Response, *, secret_id: UUID | None) -> StoredAnswer:
    """`response` as it is kept: a line of status and headers, then the body; only `secret_id` where the body holds a secret."""
    if secret_id is not None:
        return StoredAnswer(content=None, secret_id=secret_id)
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return StoredAnswer(content=orjson.dumps([response.status_code, headers]) + b"\n" + response.get_data())


def _written(sent: Any) -> bytes:  # Any: JSON
    try:
        return orjson.dumps(sent, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Numbers of a rule: decimals, and whole ones beyond 64 bits.
        return json.dumps(sent, sort_keys=True, default=str).encode()


def replay(stored: StoredAnswer) -> Response:
    """The same answer again, and said to be so."""
    head, _, body = (stored.content or b"").partition(b"\n")
    status, headers = orjson.loads(head)
    response = Response(body, status=status)
    del response.headers["Content-Type"]
    response.headers.update(headers)
    response.headers[REPLAYED] = "true"
    return response
