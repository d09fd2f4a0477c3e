"""Upserts the customers of the CDNOW data set through the API: 23,570 people who bought music in 1997 and 1998.

    KEHU_TOKEN=kehu_... python examples/load_cdnow.py CDNOW_master.txt [http://127.0.0.1:8000]

The file has a line for each purchase: customer, date, number of CDs, dollars. The customers have no names, so the script makes up some
that a music shop could have, always the same ones. Run it again: every customer is answered 200 and nothing changes. Nothing but the
standard library.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
import urllib.parse
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue

# A few more than the server answers at once, so that it is never idle.
CONNECTIONS = 8

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
        "given_name": GIVEN[index % len(GIVEN)],
        "family_name": FAMILY[index // len(GIVEN) % len(FAMILY)],
        "email": f"customer{number}@cdnow.example",
        "lifecycle_stage": "customer",
        "tags": ["cdnow", "repeat" if first != last else "once"],
        "attributes": {"first_purchase_day": f"{first[:4]}-{first[4:6]}-{first[6:]}"},
        "source_updated_at": datetime.strptime(last, "%Y%m%d").replace(tzinfo=UTC).isoformat(),
    }


def send(queue: SimpleQueue[tuple[str, dict[str, object]]], server: str, token: str, statuses: Counter[int]) -> None:
    address = urllib.parse.urlsplit(server)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port or 80, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    while True:
        try:
            number, body = queue.get_nowait()
        except Empty:
            connection.close()
            return
        status = 503
        while status in (429, 503):
            connection.request("PUT", f"/v1/customers/by/cdnow/{number}", json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            status = answer.status
            if status in (429, 503):
                time.sleep(float(answer.headers.get("Retry-After", "1")))
        statuses[status] += 1
        if status >= 400:
            print(f"customer {number}: {status} {text.decode()}", file=sys.stderr)


def main(path: Path, server: str, token: str) -> int:
    queue: SimpleQueue[tuple[str, dict[str, object]]] = SimpleQueue()
    for number, (first, last) in read_customers(path).items():
        queue.put((number, customer(number, first, last)))
    total = queue.qsize()
    began = time.monotonic()
    counts = [Counter[int]() for _ in range(CONNECTIONS)]
    threads = [threading.Thread(target=send, args=(queue, server, token, statuses)) for statuses in counts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    statuses = sum(counts, Counter[int]())
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(f"{total} customers in {seconds:.1f} s ({total / seconds:.0f} a second): {told}")
    return 0 if set(statuses) <= {200, 201} else 1


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or "KEHU_TOKEN" not in os.environ:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), (sys.argv[2:] or ["http://127.0.0.1:8000"])[0], os.environ["KEHU_TOKEN"]))
