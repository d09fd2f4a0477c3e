"""Protects requests in flight: neither a reload nor a stop of the service under load fails one of them."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
import pytest
from flask import Flask

from app.config import Config
from tests import builders
from tests.client import make_token
from tests.faults.calls import Answer, Caller, wait_until
from tests.live import LiveServer

THREADS = 6


@dataclass
class Traffic:
    """Threads that create customers one after the other; half of them keep their connection, as clients and proxies do."""

    caller: Caller
    answered: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    # Whether anybody opens a connection; once the service stops, kept ones are told to close.
    opens: bool = True
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.caller.server.port, timeout=30)
        while not self._over.is_set() and (self.opens or connection.sock is not None):
            self._send(connection)
            if not keeps and self.opens:
                connection.close()
        connection.close()

    def stop(self) -> None:
        self._over.set()

    def _send(self, connection: http.client.HTTPConnection) -> None:
        headers = {"Authorization": f"Bearer {self.caller.token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/customers", orjson.dumps({}), headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(repr(error))
            connection.close()
        else:
            self.answered.append(response.status)


@contextmanager
def traffic(caller: Caller) -> Iterator[Traffic]:
    running = Traffic(caller)
    threads = [threading.Thread(target=running.run, args=(number % 2 == 0,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop()
        for thread in threads:
            thread.join()


@contextmanager
def waiter(caller: Caller, seconds: int) -> Iterator[list[Answer]]:
    """A call that waits for news of which there are none, and so for its time; its answer is there at the end."""
    position = caller.get("/v1/changes?limit=1000").body["next_position"]
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(caller.get(f"/v1/changes?types=token.*&wait={seconds}&after={position}")))
    thread.start()
    time.sleep(0.3)
    try:
        yield answers
    finally:
        thread.join()


@pytest.fixture
def caller(app: Flask, config: Config) -> Iterator[Caller]:
    with LiveServer(config) as server:
        yield Caller(server, make_token(app, "*"))


class TestStopping:
    def test_a_reload_and_a_stop_under_load_fail_no_request(self, app: Flask, caller: Caller) -> None:
        server = caller.server
        assert server.process is not None
        with traffic(caller) as running:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: server.log().count("Worker exiting") >= 2)
            reloaded_after = len(running.answered)
            with waiter(caller, seconds=2) as answers:
                running.opens = False
                time.sleep(0.2)
                server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(20)

        assert running.failed == []
        assert set(running.answered) == {201}
        assert 0 < reloaded_after < len(running.answered)
        assert len(builders.events(app)) == len(running.answered)
        assert [answer.status for answer in answers] == [200]
        assert code == 0
