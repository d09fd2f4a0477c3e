"""Things that tests are about, each with a default for every field; a test states only what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from flask import Flask
from sqlalchemy import Connection, insert, text

from app.changes import events as changes
from app.changes.service import Followed
from app.core.ids import new_id
from app.customers import merging
from app.customers.models import Customer, CustomerKey
from app.customers.record import DERIVED, CustomerRecord
from tests.client import Api

# A time before anything that a test itself makes.
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)

# What nobody said.
EMPTY_METRICS: Mapping[str, Any] = {
    **dict.fromkeys(("first_contact_at", "last_contact_at", "last_inbound_at", "last_outbound_at", "first_order_at", "last_order_at")),
    "contact_count": 0,
    "order_count": 0,
    "order_total": {},
}


def customer(api: Api, **fields: Any) -> dict[str, Any]:
    """A new customer, as the API answers it."""
    response = api.post("/v1/customers", {"given_name": "Mei", "family_name": "Lindqvist"} | fields)
    assert response.status_code == 201, response.get_data(as_text=True)
    return dict(response.json)


def entry(api: Api, customer_id: str, **fields: Any) -> dict[str, Any]:
    """A new interaction of the customer, as the API answers it; a year ago, unless it is said."""
    response = api.post(f"/v1/customers/{customer_id}/contact-history", {"kind": "note", "occurred_at": "2025-01-01T00:00:00Z"} | fields)
    assert response.status_code == 201, response.get_data(as_text=True)
    return dict(response.json)


def whole_entry(**fields: Any) -> dict[str, Any]:
    """A body in which every writable field is set, each as it is answered."""
    return {
        "kind": "order",
        "channel": "wechat",
        "direction": "inbound",
        "subject": "订单 1001",
        "body": "Two lines:\n\tthe second.",
        "outcome": "paid",
        "agent": "anna@kehu.example",
        "occurred_at": "2024-05-01T08:00:00.123456Z",
        "duration_seconds": 90,
        "amount": "1280.50",
        "currency": "CNY",
        "source": "shopify",
        "external_id": "gid://shopify/Order/1001",
        "attributes": {"coupon": "SPRING", "items": 3, "gift": False},
    } | fields


def metrics(api: Api, customer_id: str) -> dict[str, Any]:
    """What the interactions of a customer add up to, as the API answers it."""
    response = api.get(f"/v1/customers/{customer_id}")
    assert response.status_code == 200, response.get_data(as_text=True)
    return dict(response.json["metrics"])


def whole_customer(**fields: Any) -> dict[str, Any]:
    """A body in which every writable field but `organization_id` is set, each as it is answered."""
    return {
        "kind": "organization",
        "display_name": "绿洲贸易",
        "given_name": "José",
        "family_name": "Ångström",
        "organization_name": "Oasis Trading",
        "email": "Info@oasis.example",
        "phone": "+8613812345678",
        "alternate_emails": ["sales@oasis.example"],
        "alternate_phones": ["+442079460958"],
        "birthday": "1984-02-29",
        "gender": "female",
        "locale": "zh-Hans-CN",
        "time_zone": "Asia/Shanghai",
        "country": "CN",
        "addresses": [
            {
                "label": "office",
                "line1": "1 Nanjing Road",
                "line2": "Floor 12",
                "city": "上海",
                "region": "SH",
                "postal_code": "200000",
                "country": "CN",
                "primary": True,
            }
        ],
        "tags": ["vip", "展会"],
        "status": "inactive",
        "lifecycle_stage": "prospect",
        "owner": "anna@kehu.example",
        "source": "erp",
        "external_ids": {"erp": "K-1", "shopify": "gid://shopify/Customer/1"},
        "attributes": {"tier": "gold", "score": 1.5, "visits": 3, "newsletter": False, "sizes": ["S", "M"]},
        "source_updated_at": "2024-05-01T08:00:00.123456Z",
    } | fields


def insert_customers(app: Flask, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Customers put straight into the table, all made at one moment, with what the service derives; their ids. No events."""
    written = []
    for fields in rows:
        values = merging.DEFAULTS | {"created_at": LONG_AGO, "updated_at": LONG_AGO, "deleted_at": None} | fields
        record = CustomerRecord(*map(values.get, CustomerRecord._fields))
        written.append({"id": new_id(), "version": 1, "xid": 3, **values, **dict(zip(DERIVED, merging.derived(record), strict=True))})
    keys = [
        {"source": source, "external_id": key, "customer_id": row["id"]} for row in written for source, key in row["external_ids"].items()
    ]
    with database(app) as connection:
        connection.execute(insert(Customer), written)
        if keys:
            connection.execute(insert(CustomerKey), keys)
    return [str(row["id"]) for row in written]


def database(app: Flask) -> Connection:
    """A connection to the application's own database, in autocommit; to be used as a context manager."""
    connection: Connection = app.extensions["kehu"].database.engine.connect()
    return connection


def rows(app: Flask, statement: str, **values: Any) -> Sequence[Any]:
    with database(app) as connection:
        return connection.execute(text(statement), values).all()


def execute(app: Flask, statement: str, **values: Any) -> None:
    with database(app) as connection:
        connection.execute(text(statement), values)


def shown_events(followed: Followed) -> list[dict[str, Any]]:
    """The events as the feed shows them, but for their positions."""
    shown: list[dict[str, Any]] = orjson.loads(orjson.dumps([changes.shown(row, str) for row in followed.events]))
    return shown


def events(app: Flask) -> list[str]:
    """The types of all events, in the order of the feed."""
    return [row.type for row in rows(app, "SELECT type FROM events WHERE type NOT LIKE 'token.%' ORDER BY xid, id")]
