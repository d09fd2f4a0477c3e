"""The floors of what reads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import psycopg

from app.contact_history.record import EntryRecord
from app.customers.record import CustomerRecord
from bench.floors.floor import Floor, Parts

# Any: psycopg's rows.

_JSON_COLUMNS = ("addresses", "external_ids", "attributes", "order_total")
_NOT_SHOWN = ("xid",)

NAMES = tuple(name for name in CustomerRecord._fields if name not in _NOT_SHOWN)
# JSON as its text, which goes out as it is.
COLUMNS = ", ".join(f"{name}::text" if name in _JSON_COLUMNS else name for name in NAMES)
_FRAGMENTS = tuple(NAMES.index(name) for name in _JSON_COLUMNS)
_ENTRY_NAMES = tuple(name for name in EntryRecord._fields if name not in _NOT_SHOWN)
_ENTRY_COLUMNS = ", ".join(f"{name}::text" if name in ("attributes", "amount") else name for name in _ENTRY_NAMES)
_ENTRY_FRAGMENT = _ENTRY_NAMES.index("attributes")
_EVENT_NAMES = ("xid", "id", "event_id", "type", "subject", "actor", "request_id", "time", "data")

_OPTIONS = orjson.OPT_UTC_Z
_ONE = f"SELECT {COLUMNS} FROM customers WHERE id = %s"
_TAG = "SELECT version, metrics_version FROM customers WHERE id = %s AND deleted_at IS NULL"
_AS_JSON = "SELECT '{{\"data\":[' || coalesce(string_agg(row_to_json(page)::text, ','), '') || ']}}' FROM ({}) AS page"
_PAGE = _AS_JSON.format(
    f"SELECT {', '.join(NAMES)} FROM customers WHERE country = %s AND deleted_at IS NULL ORDER BY updated_at DESC, id DESC LIMIT 50"
)
_BELOW = "FROM contact_history WHERE customer_id = %s AND deleted_at IS NULL ORDER BY occurred_at DESC, id DESC LIMIT 50"
_TIMELINE = f"SELECT {_ENTRY_COLUMNS} {_BELOW}"
_TIMELINE_JSON = _AS_JSON.format(f"SELECT {', '.join(_ENTRY_NAMES)} {_BELOW}")
_FEED = (
    "SELECT xid, id, event_id, type, subject, actor, request_id, time, data FROM events AS e "
    "WHERE (e.xid, e.id) > (%s::xid8, %s) AND e.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY e.xid, e.id LIMIT 1000"
)


def shown(row: tuple[Any, ...]) -> bytes:
    """A customer's JSON from the row of COLUMNS."""
    return orjson.dumps(values(row), option=_OPTIONS)


def values(row: tuple[Any, ...]) -> dict[str, Any]:
    found = list(row)
    for index in _FRAGMENTS:
        found[index] = orjson.Fragment(found[index])
    return dict(zip(NAMES, found, strict=True))


def _bare(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    return b"{}"


def _get(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    return shown(_one(connection, _ONE, [UUID(parts["key"])]))


def _tag(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    _one(connection, _TAG, [UUID(parts["key"])])
    return b""


def _page(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    return _text(_one(connection, _PAGE, [parts["country"]]))


def _timeline(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    found = []
    for row in connection.execute(_TIMELINE, [UUID(parts["key"])], binary=True):
        entry = dict(zip(_ENTRY_NAMES, row, strict=True))
        entry["attributes"] = orjson.Fragment(entry["attributes"])
        found.append(entry)
    return orjson.dumps({"data": found}, option=_OPTIONS)


def _timeline_json(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    return _text(_one(connection, _TIMELINE_JSON, [UUID(parts["key"])]))


def _feed(connection: psycopg.Connection[Any], parts: Parts, body: bytes) -> bytes:
    found = []
    for row in connection.execute(_FEED, [parts.get("xid", "0"), 0], binary=True):
        told = dict(zip(_EVENT_NAMES, row, strict=True))
        told["actor"] = orjson.Fragment(told["actor"])
        told["data"] = orjson.Fragment(told["data"])
        found.append(told)
    return orjson.dumps({"data": found}, option=_OPTIONS)


def _one(connection: psycopg.Connection[Any], statement: str, given: list[Any]) -> tuple[Any, ...]:
    row = connection.execute(statement, given, binary=True).fetchone()
    assert row is not None
    found: tuple[Any, ...] = row
    return found


def _text(row: tuple[Any, ...]) -> bytes:
    text: str = row[0]
    return text.encode()


_CUSTOMER = "/v1/customers/<key>"
_HISTORY = f"{_CUSTOMER}/contact-history"

FLOORS = {
    "bare": Floor("/v1/customers/<key>", _bare, 0),
    "get": Floor(_CUSTOMER, _get, 1),
    "get_304": Floor(_CUSTOMER, _tag, 1, status=304),
    "list": Floor("/v1/customers", _page, 1),
    "timeline": Floor(_HISTORY, _timeline, 1),
    "timeline_json": Floor(_HISTORY, _timeline_json, 1),
    "feed": Floor("/v1/changes", _feed, 1),
}
