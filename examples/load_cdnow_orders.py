"""Imports the orders of the CDNOW data set: 69,659 purchases of 23,570 people, and with `--check` compares what Kehu adds up to.

    KEHU_TOKEN=kehu_... python examples/load_cdnow_orders.py CDNOW_master.txt [http://127.0.0.1:8000]
    KEHU_TOKEN=kehu_... python examples/load_cdnow_orders.py --check CDNOW_master.txt [http://127.0.0.1:8000]
    python examples/load_cdnow_orders.py --print CDNOW_master.txt > orders.ndjson

Each line of the file is an order, known by the number of its line, since several are equal in full. They go to
`POST /v1/contact-history/import` in one request; customers that `load_cdnow.py` has not made yet are made. Run it again: every line is
answered `unchanged`. Nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from load_cdnow import connect, read_purchases

IMPORT = "/v1/contact-history/import?source=cdnow&create_missing=true&report=errors"


def lines(path: Path) -> Iterator[bytes]:
    for number, customer, day, count, dollars in read_purchases(path):
        order = {
            "external_id": str(number),
            "customer": {"source": "cdnow", "external_id": customer},
            "kind": "order",
            "channel": "web",
            "occurred_at": at(day),
            "amount": dollars,
            "currency": "USD",
            "attributes": {"cds": count},
        }
        yield json.dumps(order).encode() + b"\n"


def at(day: str) -> str:
    return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def send(path: Path, server: str, token: str) -> int:
    """Send all, then read the results."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    connection = connect(server)
    began = time.monotonic()
    # Without a length: http.client sends the lines in chunks as they come.
    connection.request("POST", IMPORT, lines(path), headers)
    answer = connection.getresponse()
    results = answer.read().decode().splitlines()
    seconds = time.monotonic() - began
    if answer.status != 200:
        print(*results, file=sys.stderr)
        return 1
    print(*results[:-1], sep="\n", end="\n" * (len(results) > 1), file=sys.stderr)
    summary = json.loads(results[-1])["summary"]
    told = ", ".join(f"{summary[name]} {name}" for name in ("created", "updated", "unchanged", "failed") if summary[name])
    print(f"{summary['read']} orders in {seconds:.1f} s, {summary['read'] / seconds:.0f} a second: {told}")
    return 1 if summary["failed"] or len(results) > 1 else 0


def added_up(path: Path) -> dict[str, tuple[int, Decimal, str, str]]:
    """Of each customer the number of orders, their total, and the first and last day."""
    found: dict[str, tuple[int, Decimal, str, str]] = {}
    for _, customer, day, _, dollars in read_purchases(path):
        count, total, first, last = found.get(customer, (0, Decimal(0), day, day))
        found[customer] = (count + 1, total + Decimal(dollars), min(first, day), max(last, day))
    return found


def check(path: Path, server: str, token: str) -> int:
    """Every customer's metrics against what the file adds up to."""
    expected = added_up(path)
    connection = connect(server)
    fields = "external_ids,metrics"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}
    connection.request("GET", f"/v1/customers/export?fields={fields}", headers=headers)
    answer = connection.getresponse()
    wrong = seen = 0
    for line in answer:
        customer = json.loads(line)
        number = customer["external_ids"].get("cdnow")
        if number is None:
            continue
        seen += 1
        count, total, first, last = expected[number]
        shown = customer["metrics"]
        stored = (shown["order_count"], Decimal(shown["order_total"].get("USD", 0)), shown["first_order_at"], shown["last_order_at"])
        if stored != (count, total, at(first), at(last)):
            wrong += 1
            print(number, stored, (count, total, at(first), at(last)), file=sys.stderr)
    print(f"{seen} of {len(expected)} customers compared, {wrong} differ")
    return 1 if wrong or seen != len(expected) else 0


def main(arguments: list[str]) -> int:
    option = arguments.pop(0) if arguments and arguments[0].startswith("--") else ""
    if option == "--print" and len(arguments) == 1:
        sys.stdout.buffer.writelines(lines(Path(arguments[0])))
        return 0
    if option not in ("", "--check") or not 1 <= len(arguments) <= 2 or "KEHU_TOKEN" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 2
    run = check if option else send
    return run(Path(arguments[0]), (arguments[1:] or ["http://127.0.0.1:8000"])[0], os.environ["KEHU_TOKEN"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
