"""The requests of each path, written to files from what is in the database; always the same for the same data."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench import load
from bench.data.names import FAMILY, FIRST, GIVEN
from bench.load import NUMBER, Request

# Any: psycopg's rows, and JSON.

_SENT = (
    *("kind", "given_name", "family_name", "organization_name", "email", "phone", "birthday", "gender", "locale", "time_zone", "country"),
    *("addresses", "tags", "status", "lifecycle_stage", "attributes"),
)
_LIVING = f"""
    SELECT id, external_ids->>'bench' AS number, version, metrics_version, {", ".join(_SENT)} FROM customers
    WHERE deleted_at IS NULL AND (external_ids->>'bench')::int %% 3 = %s ORDER BY (hashint4((external_ids->>'bench')::int), id) LIMIT %s
"""
_LONG = "SELECT id FROM customers WHERE deleted_at IS NULL AND contact_count >= 55 ORDER BY id LIMIT 2000"
_COUNTRIES = ("CN", "US", "DE", "GB", "FR", "JP", "HK", "SG", "BR", "TW")


def prepare(connection: psycopg.Connection[Any], home: Path) -> dict[str, Path]:
    """A file for each path, by its name. What reads, patches and changes are different customers, so that none spoils another's."""
    read, patched, put = (_living(connection, remainder, count) for remainder, count in ((0, 20_000), (1, 150_000), (2, 150_000)))
    long = [row[0] for row in connection.execute(_LONG)]
    new = [_new(random.Random(number)) for number in range(2000)]
    found = {
        "get": (Request("GET", f"/v1/customers/{row['id']}") for row in read),
        "get_304": (Request("GET", f"/v1/customers/{row['id']}", headers=f"If-None-Match: {_tag(row)}") for row in read),
        "list": (Request("GET", f"/v1/customers?country={country}&sort=-updated_at") for country in _COUNTRIES),
        "timeline": (Request("GET", f"/v1/customers/{key}/contact-history") for key in long),
        "feed": iter([Request("GET", "/v1/changes?limit=1000")]),
        "create": (Request("POST", "/v1/customers", _json(body), f"Idempotency-Key: c{NUMBER}") for body in new),
        "patch": (_patch(row) for row in patched),
        "put_unchanged": (Request("PUT", f"/v1/customers/by/bench/{row['number']}", _json(_body(row))) for row in read[:5000]),
        "put_changed": (_put_changed(row) for row in put),
        "put_new": (Request("PUT", f"/v1/customers/by/load/{NUMBER}", _json(body)) for body in new),
        "batch": (Request("POST", "/v1/customers/batch", _json({"items": _items(new, first)})) for first in (0, 1000)),
    }
    files = {name: home / f"{name}.requests" for name in found}
    for name, requests in found.items():
        load.write_requests(files[name], requests)
    return {**files, "timeline_json": files["timeline"]}


def _living(connection: psycopg.Connection[Any], remainder: int, count: int) -> list[dict[str, Any]]:
    cursor = connection.execute(_LIVING, [remainder, count])
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _tag(row: dict[str, Any]) -> str:
    return f'"{row["version"]}.{row["metrics_version"]}"'


def _patch(row: dict[str, Any]) -> Request:
    headers = f'If-Match: "{row["version"]}"|Idempotency-Key: p{NUMBER}'
    return Request("PATCH", f"/v1/customers/{row['id']}", _json({"owner": f"o{NUMBER}"}), headers)


def _put_changed(row: dict[str, Any]) -> Request:
    """As a shop sends it: all that it knows, of which one thing is new."""
    return Request("PUT", f"/v1/customers/by/bench/{row['number']}", _json({**_body(row), "owner": f"o{NUMBER}"}))


def _body(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _SENT if row[name] is not None}


def _new(dice: random.Random) -> dict[str, Any]:
    return {
        "given_name": "".join(dice.choices(GIVEN, k=2)),
        "family_name": dice.choice(FAMILY),
        "email": f"{dice.choice(FIRST).lower()}.{NUMBER}@example.com",
        "phone": f"+86139{dice.randrange(10**8):08}",
        "country": "CN",
        "locale": "zh-Hans-CN",
        "birthday": f"{dice.randrange(1940, 2008)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}",
        "addresses": [{"label": "home", "line1": "南京路 1", "city": "上海", "region": "上海市", "postal_code": "200000", "country": "CN"}],
        "tags": dice.sample(["vip", "new", "newsletter"], dice.randrange(3)),
        "attributes": {"loyalty_points": dice.randrange(10_000), "channel": dice.choice(("web", "app", "store"))},
    }


def _items(new: list[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    return list(_upserts(new[first : first + 1000]))


def _upserts(bodies: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, body in enumerate(bodies):
        data = {**body, "email": f"{number}.{body['email']}"}
        yield {"op": "upsert", "source": "load", "external_id": f"{number}-{NUMBER}", "data": data}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
