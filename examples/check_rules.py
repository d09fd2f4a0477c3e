"""Asks a running Kehu a dozen rules about the CDNOW customers, and compares each count with what the file itself says.

    KEHU_TOKEN=kehu_... python examples/check_rules.py CDNOW_master.txt [http://127.0.0.1:8000]

After `load_cdnow.py` and `load_cdnow_orders.py`. It writes nothing but the definition of the attribute `first_purchase_day`, and knows
nothing of how rules are evaluated: here each is a line of Python over a customer's purchases. Nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from load_cdnow import connect, customer, read_purchases

NOW = datetime.now(UTC)


def days_since(year: int, month: int, day: int) -> int:
    return (NOW - datetime(year, month, day, tzinfo=UTC)).days


@dataclass
class Buyer:
    """Whose purchases are known by day, each at its first moment in UTC."""

    number: str
    orders: list[tuple[date, Decimal]] = field(default_factory=list)

    @property
    def first(self) -> date:
        return min(day for day, _ in self.orders)

    @property
    def last(self) -> date:
        return max(day for day, _ in self.orders)

    @property
    def fields(self) -> dict[str, Any]:
        """As `load_cdnow.py` made them up."""
        return customer(self.number, f"{self.first:%Y%m%d}", f"{self.last:%Y%m%d}")

    def recent(self, days: int) -> list[Decimal]:
        """The dollars of each order of the last days."""
        since = NOW - timedelta(days=days)
        return [dollars for day, dollars in self.orders if datetime(day.year, day.month, day.day, tzinfo=UTC) > since]

    @property
    def total(self) -> Decimal:
        return sum((dollars for _, dollars in self.orders), Decimal(0))


def rules() -> Iterator[tuple[str, Callable[[Buyer], bool]]]:
    in_1998, since_june, ever = days_since(1998, 1, 1), days_since(1998, 6, 1), 36_500
    yield (
        "metrics.order_count >= 3 AND metrics.last_order_at < TIMESTAMP('1998-01-01T00:00:00Z')",
        lambda one: len(one.orders) >= 3 and one.last < date(1998, 1, 1),
    )
    yield "metrics.order_total.USD BETWEEN 100 AND 200.50", lambda one: Decimal(100) <= one.total <= Decimal("200.50")
    yield f"contact_count('order', {in_1998}) >= 2", lambda one: len(one.recent(in_1998)) >= 2
    yield (
        f"contact_count('order', {in_1998}) = 0 AND metrics.order_count > 1",
        lambda one: not one.recent(in_1998) and len(one.orders) > 1,
    )
    yield f"order_total('USD', {in_1998}) > 99.99", lambda one: sum(one.recent(in_1998)) > Decimal("99.99")
    yield (
        f"NOT order_total('USD', {since_june}) <= 50 AND contact_count('return', {ever}) < 1",
        lambda one: sum(one.recent(since_june)) > 50,
    )
    yield (
        f"order_total('USD', {ever}) > contact_count('order', {ever}) AND order_total('EUR', {ever}) = 0",
        lambda one: one.total > len(one.orders),
    )
    yield f"days_since(metrics.last_order_at) > {since_june}", lambda one: days_since(*one.last.timetuple()[:3]) > since_june
    yield (
        "family_name IN ('王', 'Smith') AND given_name NOT IN ('Anna', 'Ben')",
        lambda one: one.fields["family_name"] in ("王", "Smith") and one.fields["given_name"] not in ("Anna", "Ben"),
    )
    yield (
        "email LIKE 'CUSTOMER0_2%' AND NOT given_name = '伟'",
        lambda one: one.number[0] + one.number[2] == "02" and one.fields["given_name"] != "伟",
    )
    yield (
        "attributes.first_purchase_day BETWEEN DATE('1997-02-01') AND DATE('1997-02-14')",
        lambda one: date(1997, 2, 1) <= one.first <= date(1997, 2, 14),
    )
    yield (
        "month(metrics.first_order_at) = 2 AND day(metrics.first_order_at) > 14",
        lambda one: one.first.month == 2 and one.first.day > 14,
    )
    yield "owner IS NULL AND NOT A_OVERLAPS(tags, ('repeat'))", lambda one: one.first == one.last


def read(path: Path) -> list[Buyer]:
    buyers: dict[str, Buyer] = {}
    for _, number, day, _, dollars in read_purchases(path):
        one = buyers.setdefault(number, Buyer(number))
        one.orders.append((datetime.strptime(day, "%Y%m%d").date(), Decimal(dollars)))  # noqa: DTZ007  # a day, and no moment
    return list(buyers.values())


class Service:
    def __init__(self, server: str, token: str) -> None:
        self.connection = connect(server)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, address: str, body: object = None) -> Any:
        self.connection.request(method, address, None if body is None else json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        told = json.loads(answer.read())
        if answer.status >= 400:
            sys.exit(f"{method} {address}: {answer.status} {told['detail']} {told.get('errors', '')}")
        return told

    def count(self, rule: str) -> int:
        query = urlencode({"filter": f"A_CONTAINS(tags, ('cdnow')) AND ({rule})", "count": "exact", "limit": 1})
        return int(self.ask("GET", f"/v1/customers?{query}")["total"])


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2 or "KEHU_TOKEN" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 2
    service = Service((arguments[1:] or ["http://127.0.0.1:8000"])[0], os.environ["KEHU_TOKEN"])
    service.ask("PUT", "/v1/attributes/first_purchase_day", {"type": "date", "description": "The day of the first purchase."})
    buyers = read(Path(arguments[0]))
    wrong = 0
    print(f"{'Kehu':>6} {'file':>6} {'ms':>6}  rule")
    for rule, holds in rules():
        began = time.monotonic()
        counted = service.count(rule)
        took = (time.monotonic() - began) * 1000
        expected = sum(map(holds, buyers))
        wrong += counted != expected
        print(f"{counted:6} {expected:6} {took:6.0f}  {rule}{'' if counted == expected else '   DIFFERS'}")
    print(f"{len(buyers)} customers; {wrong} rules differ" if wrong else f"{len(buyers)} customers; all counts are equal")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
