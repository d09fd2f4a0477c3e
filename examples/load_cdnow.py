"""Imports the customers of the CDNOW data set: 23,570 people who bought music in 1997 and 1998.

    KEHU_TOKEN=kehu_... python examples/load_cdnow.py CDNOW_master.txt [http://127.0.0.1:8000]
    python examples/load_cdnow.py --print CDNOW_master.txt > customers.ndjson

The file has a line for each purchase: customer, date, number of CDs, dollars. The customers have no names, so the script makes up some
that a music shop could have, always the same ones. They go to `POST /v1/customers/import` in one request, a line each; `--print` writes
these lines instead, for curl. Run it again: every line is answered `unchanged`. Nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

GIVEN = ["伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "Anna", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Henry"]
FAMILY = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "Smith", "Garcia", "Miller", "Rossi", "Novak", "Silva", "Dubois", "Kim"]


def read_customers(path: Path) -> dict[str, tuple[str, str]]:
    """Each customer's first and last day of purchase, as YYYYMMDD."""
    days: dict[str, tuple[str, str]] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        columns = line.split()
        if not columns or not columns[0].isdigit():
            continue
        first, last = days.get(columns[0], (columns[1], columns[1]))
        days[columns[0]] = (min(first, columns[1]), max(last, columns[1]))
    return days


def customer(number: str, first: str, last: str) -> dict[str, object]:
    index = int(number)
    return {
        "source": "cdnow",
        "external_id": number,
        "given_name": GIVEN[index % len(GIVEN)],
        "family_name": FAMILY[index // len(GIVEN) % len(FAMILY)],
        "email": f"customer{number}@cdnow.example",
        "lifecycle_stage": "customer",
        "tags": ["cdnow", "repeat" if first != last else "once"],
        "attributes": {"first_purchase_day": f"{first[:4]}-{first[4:6]}-{first[6:]}"},
        "source_updated_at": datetime.strptime(last, "%Y%m%d").replace(tzinfo=UTC).isoformat(),
    }


def lines(path: Path) -> Iterator[bytes]:
    for number, (first, last) in read_customers(path).items():
        yield json.dumps(customer(number, first, last), ensure_ascii=False).encode() + b"\n"


def send(path: Path, server: str, token: str) -> int:
    """Send all, then read the results; whoever wants to follow them reads while he sends."""
    address = urllib.parse.urlsplit(server)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port or 80, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    began = time.monotonic()
    # Without a length: http.client sends the lines in chunks as they come.
    connection.request("POST", "/v1/customers/import?report=errors", lines(path), headers)
    answer = connection.getresponse()
    results = answer.read().decode().splitlines()
    seconds = time.monotonic() - began
    if answer.status != 200:
        print(*results, file=sys.stderr)
        return 1
    print(*results[:-1], sep="\n", end="\n" * (len(results) > 1), file=sys.stderr)
    summary = json.loads(results[-1])["summary"]
    told = ", ".join(f"{summary[name]} {name}" for name in ("created", "updated", "unchanged", "stale", "failed") if summary[name])
    print(f"{summary['read']} customers in {seconds:.1f} s: {told}")
    return 1 if summary["failed"] or len(results) > 1 else 0


def main(arguments: list[str]) -> int:
    if len(arguments) == 2 and arguments[0] == "--print":
        sys.stdout.buffer.writelines(lines(Path(arguments[1])))
        return 0
    if not 1 <= len(arguments) <= 2 or "KEHU_TOKEN" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 2
    return send(Path(arguments[0]), (arguments[1:] or ["http://127.0.0.1:8000"])[0], os.environ["KEHU_TOKEN"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
