"""Keyed writes by several threads while things break, and what has to be there of them afterwards."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from app.changes.positions import Positions
from tests.conftest import SECRET_KEY
from tests.faults.calls import Answer, Caller, session

THREADS = 6
# Few, so that writers meet; the ids of another system are shared as well.
CUSTOMERS = 8
EXTERNAL_IDS = 12


@dataclass(slots=True)
class Write:
    """One write. Its key stands in the customer's `owner` too, so that it changes something and its event can be found."""

    key: str
    method: str
    path: str
    # What was answered, once that was 2xx.
    answer: Answer | None = None

    def send(self, caller: Caller) -> Answer | None:
        """None where there was no answer."""
        try:
            answer = caller.send(self.method, self.path, {"owner": self.key}, key=self.key)
        except (OSError, http.client.HTTPException):
            return None
        if answer.status < 300:
            self.answer = answer
        return answer


@dataclass
class Load:
    """POST, PUT and PATCH, mixed, each with a key of its own."""

    caller: Caller
    customers: list[str]
    seed: int
    writes: list[Write] = field(default_factory=list)
    # What nobody may be told: neither done, nor to be sent again.
    wrong: list[Answer] = field(default_factory=list)
    # Calls without any answer, as there are when a service is killed.
    unanswered: int = 0
    # When each write was acknowledged, on the monotonic clock.
    acknowledged_at: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def unacknowledged(self) -> list[Write]:
        return [write for write in self.writes if write.answer is None]

    def retry(self) -> int:
        """Send every unacknowledged write again, with its key, until it is acknowledged; how many of them were replayed."""
        writes = self.unacknowledged
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(self._insist, writes))
        return sum(write.answer is not None and "idempotency-replayed" in write.answer.headers for write in writes)

    def _run(self, number: int) -> None:
        dice = random.Random(f"{self.seed}-{number}")
        count = 0
        while not self._over.is_set():
            count += 1
            write = self._write(dice, f"{self.seed}-{number}-{count}")
            self.writes.append(write)
            self._note(write.send(self.caller))
            if write.answer is not None:
                self.acknowledged_at.append(time.monotonic())
            else:
                time.sleep(0.05)

    def _write(self, dice: random.Random, key: str) -> Write:
        kind = dice.randrange(3)
        if kind == 0:
            return Write(key, "POST", "/v1/customers")
        if kind == 1:
            return Write(key, "PUT", f"/v1/customers/by/shop/{self.seed}-{dice.randrange(EXTERNAL_IDS)}")
        return Write(key, "PATCH", dice.choice(self.customers))

    def _insist(self, write: Write) -> None:
        until = time.monotonic() + 30
        while write.answer is None and time.monotonic() < until:
            self._note(write.send(self.caller))
            if write.answer is None:
                time.sleep(0.05)

    def _note(self, answer: Answer | None) -> None:
        if answer is None:
            self.unanswered += 1
        elif answer.seconds > 10 or (answer.status >= 300 and not _is_to_be_sent_again(answer)):
            self.wrong.append(answer)


def _is_to_be_sent_again(answer: Answer) -> bool:
    told = answer.status == 503 or (answer.status == 409 and answer.code == "idempotency_in_progress")
    return told and "retry-after" in answer.headers


_EVENTS = text(
    "SELECT data::json -> 'after' ->> 'owner' AS key, subject, (data::json -> 'after' ->> 'version')::bigint AS version, xid, id"
    " FROM events WHERE type LIKE 'customer.%' ORDER BY events.xid, id"
)
_CUSTOMERS = text("SELECT 'customers/' || id AS subject, version, owner FROM customers")
_KEYS = text("SELECT key, answer IS NOT NULL AS whole FROM idempotency_keys")


def assert_all_or_nothing(url: str, load: Load) -> None:
    """Every acknowledged write is there, and of the others all or nothing: row, event and key."""
    with session(url) as connection:
        events = [row for row in connection.execute(_EVENTS) if row.key is not None]
        customers = {row.subject: row for row in connection.execute(_CUSTOMERS)}
        keys = {row.key: row.whole for row in connection.execute(_KEYS)}

    assert load.wrong == []
    written = {row.key: row for row in events}
    assert [key for key, count in Counter(row.key for row in events).items() if count > 1] == []
    # An event with each key and a key with each event, complete.
    assert set(written) == set(keys)
    assert all(keys.values())
    positions = Positions(SECRET_KEY)
    for write in load.writes:
        if write.answer is not None:
            row = written[write.key]
            assert (write.answer.body["owner"], write.answer.body["version"]) == (write.key, row.version)
            assert row.subject == f"customers/{write.answer.body['id']}"
            assert write.answer.headers["kehu-position"] == positions.text((1, row.xid, row.id))
    _assert_rows_follow_events(events, customers)


def assert_exactly_once(url: str, load: Load) -> None:
    """Every write is acknowledged, and there once."""
    assert load.unacknowledged == []
    assert_all_or_nothing(url, load)


def _assert_rows_follow_events(events: list[Any], customers: dict[str, Any]) -> None:
    last: dict[str, Any] = {}
    for row in events:
        # Of customers that were there before the load, version 1 has no key.
        assert row.version == last[row.subject].version + 1 if row.subject in last else row.version in (1, 2)
        last[row.subject] = row
    for subject, row in last.items():
        assert (customers[subject].version, customers[subject].owner) == (row.version, row.key)
    untouched = [row for subject, row in customers.items() if subject not in last]
    assert all((row.version, row.owner) == (1, None) for row in untouched)
