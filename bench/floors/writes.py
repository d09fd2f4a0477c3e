"""The floors of what writes: the statements of the service in one transaction, each its own round trip.

A pipeline of psycopg's would save round trips over a socket of the same machine, and costs more than it saves there.
What is searched in is made by the service's own function: the same words have to go into the same index.
"""

from __future__ import annotations

import os
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Jsonb, set_json_dumps

from app.core.ids import new_id
from app.customers import merging
from app.customers.record import TOLD, WRITABLE
from app.db.columns import to_json
from bench.data.derived import whole
from bench.floors.floor import Floor, Parts
from bench.floors.reads import COLUMNS, values

# Any: psycopg's rows, and JSON.

set_json_dumps(partial(orjson.dumps, option=orjson.OPT_UTC_Z))

_OPTIONS = orjson.OPT_UTC_Z
_TOKEN = new_id()
_BEGIN = "BEGIN; SELECT pg_current_xact_id()::text, now()"
_KEY = "INSERT INTO idempotency_keys (token_id, key, fingerprint, created_at, answer) VALUES (%s, %s, %s, %s, %s)"
_EVENT = (
    "INSERT INTO events (event_id, type, subject, customer_id, actor, request_id, data) "
    "SELECT %(event_id)s, %(type)s, %(subject)s, %(id)s, %(actor)s, 'bench', %(data)s FROM written"
)
_NEW = (*(name for name in WRITABLE if name != "organization_id"), "email_key", "search_text", "search_grams")
_INSERT = (
    f"WITH written AS (INSERT INTO customers (id, {', '.join(_NEW)}, version, xid) "
    f"VALUES (%(id)s, {', '.join(f'%({name})s' for name in _NEW)}, 1, %(xid)s::xid8) RETURNING 1) {_EVENT}"
)
_CLAIM = "INSERT INTO customer_keys (source, external_id, customer_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING customer_id"
_ID = "SELECT customer_id FROM customer_keys WHERE source = %s AND external_id = %s"
_ONE = f"SELECT {COLUMNS} FROM customers WHERE id = %s"
_UPDATE = (
    "WITH written AS (UPDATE customers SET owner = %(owner)s, version = version + 1, updated_at = %(now)s, xid = %(xid)s::xid8 "
    f"WHERE id = %(id)s AND version = %(version)s AND xid <= %(xid)s::xid8 RETURNING 1) {_EVENT}"
)
_ACTOR = to_json({"type": "token", "id": _TOKEN, "name": "bench"})


def _create(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    xid, now = _begun(connection)
    row, answer = _new(orjson.loads(body), xid, now)
    connection.execute(_KEY, [_TOKEN, _some_key(), b"f" * 32, now, answer])
    connection.execute(_INSERT, row)
    connection.execute("COMMIT")
    return answer


def _patch(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    xid, now = _begun(connection)
    stored = values(_first(connection, _ONE, [UUID(parts["key"])]))
    answer, change = _changed(stored, orjson.loads(body), xid, now)
    connection.execute(_KEY, [_TOKEN, _some_key(), b"f" * 32, now, answer])
    connection.execute(_UPDATE, change)
    connection.execute("COMMIT")
    return answer


def _put_unchanged(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    stored = values(_first(connection, _ONE, _first(connection, _ID, [parts["source"], parts["key"]])))
    orjson.loads(body)
    return orjson.dumps(stored, option=_OPTIONS)


def _put_changed(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    xid, now = _begun(connection)
    stored = values(_first(connection, _ONE, _first(connection, _ID, [parts["source"], parts["key"]])))
    answer, change = _changed(stored, orjson.loads(body), xid, now)
    connection.execute(_UPDATE, change)
    connection.execute("COMMIT")
    return answer


def _put_new(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    xid, now = _begun(connection)
    connection.execute(_ID, [parts["source"], parts["key"]]).fetchone()
    row, answer = _new(orjson.loads(body), xid, now, external_ids={parts["source"]: parts["key"]})
    connection.execute(_CLAIM, [parts["source"], parts["key"], row["id"]])
    connection.execute(_INSERT, row)
    connection.execute("COMMIT")
    return answer


def _new(sent: dict[str, Any], xid: str, now: datetime, external_ids: dict[str, str] | None = None) -> tuple[dict[str, Any], bytes]:
    """The values of _INSERT, and the answer."""
    told = {**merging.DEFAULTS, **sent, "external_ids": external_ids or {}}
    row_id = new_id()
    shown = {"id": row_id, **told, "version": 1, "created_at": now, "updated_at": now, "deleted_at": None}
    row = {
        **whole(told),
        **{name: Jsonb(told[name]) for name in ("addresses", "external_ids", "attributes")},
        "birthday": told["birthday"] and date.fromisoformat(told["birthday"]),
        "id": row_id,
        **_event("customer.created", row_id, {"before": None, "after": shown, "changed": TOLD}, xid, now),
    }
    return row, orjson.dumps(shown, option=_OPTIONS)


def _changed(stored: dict[str, Any], sent: dict[str, Any], xid: str, now: datetime) -> tuple[bytes, dict[str, Any]]:
    """The answer, and the values of _UPDATE."""
    version = stored["version"]
    data = {
        "before": {"owner": stored["owner"]},
        "after": {"owner": sent["owner"], "version": version + 1, "updated_at": now},
        "changed": ["owner"],
    }
    event = _event("customer.updated", stored["id"], data, xid, now)
    answer = orjson.dumps({**stored, "owner": sent["owner"], "version": version + 1, "updated_at": now}, option=_OPTIONS)
    return answer, {"owner": sent["owner"], "id": stored["id"], "version": version, **event}


def _event(kind: str, customer_id: UUID, data: dict[str, Any], xid: str, now: datetime) -> dict[str, Any]:
    return {
        "event_id": new_id(),
        "type": kind,
        "subject": f"customers/{customer_id}",
        "actor": _ACTOR,
        "now": now,
        "xid": xid,
        "data": to_json(data),
    }


def _first(connection: psycopg.Connection[Any], statement: str, given: Any = None) -> tuple[Any, ...]:
    row = connection.execute(statement, given, binary=True).fetchone()
    assert row is not None
    found: tuple[Any, ...] = row
    return found


def _begun(connection: psycopg.Connection[Any]) -> tuple[str, datetime]:
    cursor = connection.execute(_BEGIN, prepare=False)
    cursor.nextset()
    row: tuple[str, datetime] | None = cursor.fetchone()
    assert row is not None
    return row


def _some_key() -> str:
    return os.urandom(12).hex()


_BY = "/v1/customers/by/<source>/<path:key>"

FLOORS = {
    "create": Floor("/v1/customers", _create, 4, method="POST", status=201),
    "patch": Floor("/v1/customers/<key>", _patch, 5, method="PATCH"),
    "put_unchanged": Floor(_BY, _put_unchanged, 2, method="PUT"),
    "put_changed": Floor(_BY, _put_changed, 5, method="PUT"),
    "put_new": Floor(_BY, _put_new, 5, method="PUT", status=201),
}
