"""Protects long imports from the loss of the processes that write them: nothing is told falsely or there twice, and none outlives us."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask

from app.core import limits
from tests.client import make_token
from tests.conftest import config_for
from tests.customers.bulk.calls import ndjson, post_stream
from tests.faults.calls import session, wait_until
from tests.live import LiveServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")

LINES = [{"external_id": str(number), "given_name": f"Li {number}"} for number in range(15_000)]
PATH = "/v1/customers/import?source=shop"


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[LiveServer]:
    # One process, so that it is known which one has the import.
    with LiveServer(config_for(database_url), KEHU_WORKERS="1") as server:
        yield server


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _worker(server: LiveServer) -> int:
    assert server.process is not None
    (found,) = _children(server.process.pid)
    return found


def _hands(worker: int) -> list[int]:
    """Those that write; they are forked from the worker's only child, which a worker that begins may not have yet."""
    return [hand for nursery in _children(worker) for hand in _children(nursery)]


def _count(url: str) -> int:
    with session(url) as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM customers").scalar_one())


class _Import(threading.Thread):
    """One that runs meanwhile."""

    def __init__(self, server: LiveServer, token: str) -> None:
        super().__init__()
        self._server = server
        self._token = token
        self.lines: list[dict[str, Any]] = []
        self.will_be_cut = False

    def run(self) -> None:
        try:
            status, answer = post_stream(self._server, PATH, self._token, ndjson(LINES))
        except OSError:
            assert self.will_be_cut
            return
        assert status == 200, answer
        self.lines = [orjson.loads(line) for line in answer.splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.fixture
def importing(app: Flask, server: LiveServer) -> Iterator[_Import]:
    found = _Import(server, make_token(app, "*"))
    found.start()
    yield found
    found.join()


def _send_again(importing: _Import, server: LiveServer) -> dict[str, Any]:
    again = _Import(server, importing._token)
    again.run()
    summary: dict[str, Any] = again.lines[-1]["summary"]
    return summary


class TestProcesses:
    def test_two_write_a_long_import_in_its_order(self, importing: _Import, server: LiveServer) -> None:
        wait_until(lambda: len(_hands(_worker(server))) == 2)
        importing.join()

        assert [line["line"] for line in importing.lines[:-1]] == list(range(1, len(LINES) + 1))
        assert importing.lines[-1]["summary"]["created"] == len(LINES)
        assert _send_again(importing, server)["unchanged"] == len(LINES)

    def test_one_that_is_killed_costs_at_most_the_rest_of_the_import(
        self, importing: _Import, server: LiveServer, database_url: str
    ) -> None:
        wait_until(lambda: _count(database_url) >= 6 * limits.IMPORT_CHUNK_LINES)
        os.kill(_hands(_worker(server))[0], signal.SIGKILL)
        importing.join()
        there = _count(database_url)
        *told, last = importing.lines
        created = [line for line in told if line["outcome"] == "created"]
        ended = [line for line in told if line["outcome"] == "ended"]

        assert [line["line"] for line in created] == list(range(1, len(created) + 1))
        assert last["summary"]["created"] == len(created)
        if ended:
            # It was in the middle of writing; what it wrote may be there.
            assert (ended[0]["status"], ended[0]["problem"]["code"]) == (503, "import_process_lost")
            assert ended[0]["line"] == len(created) + 1
            assert there in (len(created), len(created) + limits.IMPORT_CHUNK_LINES)
        else:
            assert there == len(created) == len(LINES)
        summary = _send_again(importing, server)
        assert (summary["created"], summary["unchanged"]) == (len(LINES) - there, there)
        assert _count(database_url) == len(LINES)

    def test_they_end_with_the_import(self, importing: _Import, server: LiveServer) -> None:
        wait_until(lambda: len(_hands(_worker(server))) == 2)
        importing.join()

        wait_until(lambda: not _hands(_worker(server)))

    def test_none_outlives_the_process_that_it_works_for(self, importing: _Import, server: LiveServer) -> None:
        worker = _worker(server)
        wait_until(lambda: len(_hands(worker)) == 2)
        below = [*_children(worker), *_hands(worker)]
        importing.will_be_cut = True
        os.kill(worker, signal.SIGKILL)

        wait_until(lambda: not any(map(_is_running, below)))

    def test_they_end_with_the_service_and_leave_its_port(self, importing: _Import, server: LiveServer) -> None:
        worker = _worker(server)
        wait_until(lambda: len(_hands(worker)) == 2)
        below = [*_children(worker), *_hands(worker)]
        server.stop()
        importing.join()

        wait_until(lambda: not any(map(_is_running, below)))
        assert importing.lines[-2]["problem"]["code"] == "server_stopping"
        server.start()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
