"""Random interactions of random customers, many of them at the edges of the windows that rules ask about, and what they add up to."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import insert

from app.contact_history.models import ContactHistoryEntry
from app.rules.literals import text_literal
from tests.builders import LONG_AGO, database

NOW = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)
MOMENTS = [
    NOW,
    NOW - timedelta(microseconds=1),
    NOW + timedelta(microseconds=1),
    NOW - timedelta(days=1),
    NOW - timedelta(days=30),
    NOW - timedelta(days=30, microseconds=1),
    NOW - timedelta(days=29, hours=23),
    NOW + timedelta(hours=1),
    NOW + timedelta(days=2),
    datetime(1, 1, 1, tzinfo=UTC),
]
KINDS = ("order", "call", "return")
CURRENCIES = ("CNY", "USD")
AMOUNTS = ["0", "0.10", "2.50", "30", "-0.5", "9007199254740993.1"]
DAYS = (1, 2, 29, 30, 31, 36_500)


def entries_of(customer_id: UUID, dice: random.Random, texts: list[str]) -> list[dict[str, Any]]:
    """Few or no interactions, some of them withdrawn."""

    def some(pool: Iterable[Any]) -> Any:
        return dice.choice([None, *pool])

    made = []
    for _ in range(dice.choice((0, 1, 2, 3, 5))):
        amount, at = some(AMOUNTS), dice.choice(MOMENTS)
        made.append(
            {
                "id": UUID(int=dice.getrandbits(48) << 80 | 7 << 76 | 2 << 62),
                "customer_id": customer_id,
                "kind": dice.choice(("order", *KINDS)),
                "channel": some(("phone", "web")),
                "direction": some(("inbound", "outbound")),
                "subject": some(text_literal(0, text).value for text in texts),
                "outcome": some(text_literal(0, text).value for text in texts),
                "agent": some(("a.b@x.example", "M")),
                "source": "shop",
                "external_id": some(("M", "m")),
                "occurred_at": at,
                "duration_seconds": some((0, 29, 31)),
                "amount": amount,
                "currency": dice.choice(CURRENCIES) if amount is not None else some(CURRENCIES),
                "version": dice.choice((1, 2, 3)),
                "created_at": dice.choice(MOMENTS),
                "updated_at": LONG_AGO,
                "deleted_at": dice.choice((None, None, None, NOW)),
            }
        )
    return made


def metrics_of(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept on the customer."""
    living = [one for one in entries if one["deleted_at"] is None]
    orders = [one for one in living if one["kind"] == "order"]
    totals: dict[str, Decimal] = {}
    for order in orders:
        if order["amount"] is not None:
            totals[order["currency"]] = totals.get(order["currency"], Decimal(0)) + Decimal(order["amount"])

    def last(chosen: list[dict[str, Any]]) -> datetime | None:
        return max((one["occurred_at"] for one in chosen), default=None)

    return {
        "contact_count": len(living),
        "order_count": len(orders),
        "order_total": {currency: str(total) for currency, total in totals.items()},
        "last_contact_at": last(living),
        "last_order_at": last(orders),
        "last_inbound_at": last([one for one in living if one["direction"] == "inbound"]),
    }


def insert_entries(app: Flask, rows: Iterable[Mapping[str, Any]]) -> None:
    """Interactions put straight into the table."""
    written = [{"xid": 3, "attributes": {}, "search_text": "", "search_grams": [], **row} for row in rows]
    with database(app) as connection:
        connection.execute(insert(ContactHistoryEntry), written)
