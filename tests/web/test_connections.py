"""Protects the threads from clients that are slow, silent, or gone: none of them costs anybody else an answer."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Config
from tests.client import Api
from tests.live import LiveServer
from tests.web.wire import connect, exchange, logged, read, request

# More than both processes have threads, twice over.
MANY = 16
WITHOUT_BODY = b"POST /v1/customers HTTP/1.1\r\nHost: kehu\r\nContent-Length: 1000000\r\n"


@contextlib.contextmanager
def connected(server: LiveServer, sent: bytes, count: int = MANY) -> Iterator[list[socket.socket]]:
    """So many connections on which `sent` was sent and nothing is read."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(server, sent)) for _ in range(count)]
        # Until the server has met them.
        time.sleep(0.1)
        yield opened


def worst(server: LiveServer, calls: int = 12) -> float:
    """Seconds of the slowest of some calls, one after the other, each on a connection of its own."""
    took = []
    for _ in range(calls):
        start = time.monotonic()
        assert server.call("GET", "/livez", timeout=20)[0] == 200
        took.append(time.monotonic() - start)
    return max(took)


class TestSlowClients:
    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"G",
            b"GET /livez HTTP/1.1\r\nHost: ke",
            b"\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: kehu\r\n\r\nGET /livez HTTP/1.1\r\nHo",
            b"GET /livez HTTP/1.1\r\nHost: kehu\r\nConnection: close\r\n\r\n",
            WITHOUT_BODY + b"\r\n{",
            WITHOUT_BODY + b"Authorization: Bearer x\r\nConnection: close\r\n\r\n{",
            b"GET /livez HTTP/1.1\r\nHost: kehu\r\nContent-Length: 1000000\r\n\r\n",
            b"nonsense\r\n\r\n",
        ],
        ids=["silent", "letter", "half-head", "empty-lines", "next-half", "not-closed", "no-body", "no-body-close", "get-body", "nonsense"],
    )
    def test_connections_that_wait_for_nothing_hold_no_thread(self, live: LiveServer, sent: bytes) -> None:
        with connected(live, sent):
            took = worst(live)

        assert took < 1.5

    def test_clients_that_do_not_read_are_waited_for_by_their_own_threads_only(self, live: LiveServer) -> None:
        asked = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: kehu\r\n\r\n" * 10

        with connected(live, asked):
            took = worst(live, calls=6)

        assert took < 3

    def test_a_head_that_comes_in_pieces_is_answered(self, live: LiveServer, api: Api) -> None:
        sent = request("GET", "/v1/tokens/self", token=api.token)

        with connect(live) as connection:
            for start in range(0, len(sent), 40):
                connection.sendall(sent[start : start + 40])
                time.sleep(0.02)
            reply = read(connection)

        assert reply.status == 200

    def test_a_head_that_comes_letter_by_letter_behind_another_request_is_answered(self, live: LiveServer) -> None:
        first = request("GET", "/livez", "X-Request-Id: one", close=False)
        second = request("GET", "/livez", "X-Request-Id: two")

        with connect(live, first + second[:1]) as connection:
            for letter in second[1:]:
                connection.sendall(bytes([letter]))
            reply = read(connection)

        assert b"X-Request-Id: two" in reply.body

    def test_a_head_that_is_never_finished_is_408_and_a_client_that_says_nothing_is_left(self, live: LiveServer) -> None:
        start = time.monotonic()

        with connect(live, b"GET /livez HTTP/1.1\r\nHo") as begun, connect(live) as silent:
            reply = read(begun)
            nothing = silent.recv(1)

        assert reply.problem["code"] == "head_timeout"
        assert nothing == b""
        assert time.monotonic() - start < 8


class TestKeptConnections:
    def test_many_requests_go_over_one_connection(self, live: LiveServer, api: Api) -> None:
        one = request("GET", "/v1/tokens/self", token=api.token, close=False)

        with connect(live) as connection:
            for _ in range(20):
                connection.sendall(one)
                assert _answer(connection).startswith(b"HTTP/1.1 200 ")

    def test_a_refused_request_whose_body_is_here_leaves_the_connection_open(self, live: LiveServer, api: Api) -> None:
        refused = request("POST", "/v1/customers", json=b'{"given_name":"Li"}', close=False)
        good = request("GET", "/v1/tokens/self", token=api.token, close=False)

        with connect(live, refused) as connection:
            first = _answer(connection)
            connection.sendall(good)
            second = _answer(connection)

        assert first.startswith(b"HTTP/1.1 401 ")
        assert b"Connection: keep-alive" in first
        assert second.startswith(b"HTTP/1.1 200 ")

    def test_a_refused_request_whose_body_is_not_here_says_that_the_connection_ends(self, live: LiveServer) -> None:
        reply = exchange(live, WITHOUT_BODY + b"\r\n{")

        assert reply.status == 401
        assert reply.headers["connection"] == "close"

    def test_what_a_refused_body_holds_is_no_request(self, live: LiveServer, api: Api) -> None:
        hidden = request("GET", "/v1/tokens/self", "X-Request-Id: hidden-1", token=api.token)

        with connect(live, request("POST", "/v1/customers", json=hidden, close=False)) as connection:
            first = _answer(connection)
            connection.sendall(request("GET", "/livez", "X-Request-Id: hidden-2"))
            second = _answer(connection)

        assert first.startswith(b"HTTP/1.1 401 ")
        assert b"X-Request-Id: hidden-2" in second
        assert len(logged(live, "hidden-2", 1)) == 1
        assert "hidden-1" not in live.log()

    def test_clients_that_are_gone_before_their_answer_leave_no_trace_but_a_line(self, live: LiveServer, api: Api) -> None:
        for _ in range(MANY):
            connection = connect(live, request("GET", "/v1/customers", "X-Request-Id: gone-1", token=api.token))
            # An end by reset, not by good-bye.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()

        assert worst(live) < 1.5
        assert "Traceback" not in live.log()
        assert "Socket error" not in live.log()


class TestCrowds:
    def test_more_connections_than_a_process_keeps_make_the_silent_ones_give_way(self, config: Config) -> None:
        with LiveServer(config, GUNICORN_CMD_ARGS="--worker-connections=20") as server:
            with connected(server, b"", count=100):
                took = worst(server)

            assert took < 1.5
            assert worst(server) < 1.5

    @pytest.mark.skipif(sys.platform != "linux", reason="the limits of another process can be set on Linux only")
    def test_a_process_without_file_descriptors_goes_on(self, live: LiveServer) -> None:
        workers = _workers(live)
        before = {worker: resource.prlimit(worker, resource.RLIMIT_NOFILE) for worker in workers}
        for worker in workers:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (_open_files(worker) + 10, before[worker][1]))
        try:
            with connected(live, b"", count=60):
                took = worst(live)
        finally:
            for worker in workers:
                resource.prlimit(worker, resource.RLIMIT_NOFILE, before[worker])

        assert took < 1.5
        assert _workers(live) == workers


def _answer(connection: socket.socket) -> bytes:
    """One answer of a connection that stays open."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += connection.recv(65536)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = int(next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _workers(server: LiveServer) -> list[int]:
    assert server.process is not None
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True)
    return sorted(map(int, found.stdout.split()))


def _open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))
