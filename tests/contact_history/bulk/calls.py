"""Batches and imports of interactions as callers send them, and what is there afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask import Flask

from app.contact_history import recounting
from tests.builders import database, rows
from tests.client import Api
from tests.contact_history.test_recount import recount
from tests.customers.bulk.calls import NDJSON, Imported, ndjson, read_import


def batch(api: Api, *items: Mapping[str, Any], **query: str) -> list[dict[str, Any]]:
    """The result of each item."""
    response = api.post("/v1/contact-history/batch", {"items": list(items)}, query_string=query)
    assert response.status_code == 207, response.get_data(as_text=True)
    results: list[dict[str, Any]] = response.json["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    return results


def send(api: Api, body: bytes, *, kind: str = NDJSON, **query: str) -> Imported:
    """An import of `body` as it is."""
    response = api.post("/v1/contact-history/import", data=body, content_type=kind, query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return read_import(response.get_data())


def load(api: Api, *lines: Mapping[str, Any], **query: str) -> Imported:
    """An import of `lines`, whose `source` is shop unless they say so."""
    return send(api, ndjson(lines), **{"source": "shop", **query})


def check_metrics(app: Flask) -> None:
    """Every customer's metrics are a recount: by the service's own statement, and by a reader's sum of what is in the table."""
    with database(app) as connection:
        assert recounting.compare(connection, after=None, count=100_000).wrong == []
    columns = "customer_id, kind, direction, amount::text, currency, occurred_at"
    entries: dict[Any, list[dict[str, Any]]] = {}
    for row in rows(app, f"SELECT {columns} FROM contact_history WHERE deleted_at IS NULL"):
        entries.setdefault(row.customer_id, []).append(dict(row._mapping))
    for row in rows(app, "SELECT * FROM customers"):
        counted = recount(entries.get(row.id, []))
        stored = {name: getattr(row, name) for name in counted}
        assert stored | {"order_total": {name: Decimal(text) for name, text in row.order_total.items()}} == counted
