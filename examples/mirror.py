"""Mirrors Kehu's customers into a local SQLite file by following the change feed; run it again and it goes on where it was.

    KEHU_TOKEN=kehu_... python examples/mirror.py customers.sqlite [http://127.0.0.1:8000] [--follow]

Nothing but the standard library. The position is stored in the transaction of the rows that it stands behind, so the mirror may be
killed at any moment: it neither misses an event nor applies one twice.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

TYPES = "customer.created,customer.updated,customer.deleted,customer.restored"


def open_mirror(path: str) -> sqlite3.Connection:
    mirror = sqlite3.connect(path, isolation_level=None)
    mirror.execute("CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, version INTEGER NOT NULL, customer TEXT NOT NULL)")
    mirror.execute("CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), after TEXT NOT NULL)")
    return mirror


def position(mirror: sqlite3.Connection) -> str | None:
    row = mirror.execute("SELECT after FROM position").fetchone()
    return row[0] if row else None


def apply(mirror: sqlite3.Connection, event: dict[str, Any]) -> None:
    """A new customer comes whole; of a change come the changed fields and the version that they make."""
    customer_id = event["subject"].removeprefix("customers/")
    after = event["data"]["after"]
    row = mirror.execute("SELECT customer FROM customers WHERE id = ?", (customer_id,)).fetchone()
    customer = {**(json.loads(row[0]) if row else {}), **after}
    mirror.execute(
        "INSERT INTO customers VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version, customer = excluded.customer",
        (customer_id, after["version"], json.dumps(customer, ensure_ascii=False)),
    )


def apply_page(mirror: sqlite3.Connection, page: dict[str, Any]) -> None:
    mirror.execute("BEGIN IMMEDIATE")
    for event in page["data"]:
        apply(mirror, event)
    mirror.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (page["next_position"],))
    mirror.execute("COMMIT")


def start_again(mirror: sqlite3.Connection) -> None:
    """The database was restored: what was mirrored may never have happened."""
    mirror.execute("BEGIN IMMEDIATE")
    mirror.execute("DELETE FROM customers")
    mirror.execute("DELETE FROM position")
    mirror.execute("COMMIT")


def fetch(server: str, token: str, after: str | None, wait: int) -> dict[str, Any]:
    query = {"types": TYPES, "limit": 1000, "wait": wait} | ({"after": after} if after else {})
    request = urllib.request.Request(f"{server}/v1/changes?{urllib.parse.urlencode(query)}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        page: dict[str, Any] = json.load(answer)
        return page


def main(path: str, server: str, token: str, *, follow: bool) -> None:
    mirror = open_mirror(path)
    applied = 0
    while True:
        before = position(mirror)
        try:
            page = fetch(server, token, before, wait=20 if follow else 0)
        except urllib.error.HTTPError as error:
            if error.code != 410:
                raise
            start_again(mirror)
            continue
        apply_page(mirror, page)
        applied += len(page["data"])
        if not follow and page["next_position"] == before:
            break
    count, deleted = mirror.execute(
        "SELECT count(*), count(*) FILTER (WHERE json_extract(customer, '$.deleted_at') IS NOT NULL) FROM customers"
    ).fetchone()
    print(f"{applied} events applied; {count} customers, of them {deleted} deleted, in {path}")
    mirror.close()


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--follow"]
    if not 1 <= len(arguments) <= 2 or "KEHU_TOKEN" not in os.environ:
        sys.exit(__doc__)
    main(arguments[0], (arguments[1:] or ["http://127.0.0.1:8000"])[0], os.environ["KEHU_TOKEN"], follow="--follow" in sys.argv)
