"""Protects streams over real sockets: clients that send before they read, slow, cut and stalled ones, stops, and flat memory."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from app.config import Config
from tests.live import LiveServer
from tests.web.streams import feature
from tests.web.streams.calls import parsed

DATABASE = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


def serve(**settings: str) -> LiveServer:
    config = Config(database_url=DATABASE, data_dir=Path(), secret_key="a key that only the tests sign with, long enough")
    return LiveServer(config, application="tests.web.streams.feature:served()", KEHU_WORKERS="1", **settings)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with serve(KEHU_STREAM_TIMEOUT="1.5") as running:
        yield running


class Upload:
    """One import, piece by piece."""

    def __init__(self, server: LiveServer, query: str = "", length: int | None = None, kind: str = "application/x-ndjson", **headers: str):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.length = length
        self._answer: http.client.HTTPResponse | None = None
        framing = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(
            f"POST /v1/things/import{query} HTTP/1.1\r\nHost: kehu\r\nAuthorization: Bearer {feature.TOKEN}\r\n"
            f"Content-Type: {kind}\r\n{framing}\r\n{more}\r\n".encode()
        )

    def send(self, data: bytes) -> None:
        self.socket.sendall(data if self.length is not None else b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        if self.length is None:
            self.socket.sendall(b"0\r\n\r\n")

    def answer(self) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(self.socket, method="POST")
        response.begin()
        self._answer = response
        return response

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self.socket.close()


def body(count: int, padding: int = 0, start: int = 0) -> bytes:
    return b"".join(orjson.dumps({"external_id": str(number), "name": "x" * padding}) + b"\n" for number in range(start, start + count))


def read_whole(connection: socket.socket) -> bytes:
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        return response.read()


def is_free(server: LiveServer) -> bool:
    """Whether every place for a stream is free again: two streams can begin at once."""
    uploads = [Upload(server, length=3) for _ in range(2)]
    for upload in uploads:
        upload.send(b"{}\n")
    statuses = [upload.answer().status for upload in uploads]
    for upload in uploads:
        upload.close()
    return statuses == [200, 200]


def eventually(condition: object, within: float = 5.0) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if condition():  # type: ignore[operator]  # called only here
            return True
        time.sleep(0.05)
    return False


def worker_of(server: LiveServer) -> int:
    assert server.process is not None
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def resident(pid: int) -> int:
    """MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) // 1024


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


class TestSending:
    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_client_may_send_everything_before_it_reads(self, server: LiveServer, chunked: bool) -> None:
        sent = body(200_000)
        upload = Upload(server, length=None if chunked else len(sent))
        upload.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

        for start in range(0, len(sent), 500_000):
            upload.send(sent[start : start + 500_000])
        upload.end()
        answer = upload.answer()
        results, summary = parsed(answer.read())

        assert [result["line"] for result in results] == list(range(1, 200_001))
        assert summary["read"] == summary["created"] == 200_000
        upload.close()

    def test_what_a_slow_sender_sent_is_answered_before_it_sends_more(self, server: LiveServer) -> None:
        upload = Upload(server)

        upload.send(body(1))
        answer = upload.answer()
        first = answer.readline()
        upload.send(body(1, start=1)[:10])
        time.sleep(0.1)
        upload.send(body(1, start=1)[10:])
        second = answer.readline()
        upload.end()
        rest = answer.read()

        assert [orjson.loads(line)["external_id"] for line in (first, second)] == ["0", "1"]
        assert orjson.loads(rest)["summary"]["read"] == 2
        upload.close()

    def test_two_lines_of_one_packet_in_chunks_of_one_byte(self, server: LiveServer) -> None:
        upload = Upload(server)
        wire = b"".join(b"1\r\n%c\r\n" % letter for letter in body(2))

        upload.socket.sendall(wire)
        answer = upload.answer()
        lines = [answer.readline(), answer.readline()]
        upload.end()

        assert [orjson.loads(line)["line"] for line in lines] == [1, 2]
        assert orjson.loads(answer.read())["summary"]["read"] == 2
        upload.close()

    def test_a_chunk_whose_size_comes_before_its_bytes_is_not_the_end(self, server: LiveServer) -> None:
        upload = Upload(server)

        upload.socket.sendall(b"3\r\n")
        time.sleep(0.2)
        upload.socket.sendall(b"{}\n\r\n")
        upload.end()

        assert parsed(upload.answer().read())[1]["read"] == 1
        upload.close()

    def test_the_connection_serves_the_next_request(self, server: LiveServer) -> None:
        sent = body(5000)
        upload = Upload(server, length=len(sent))
        upload.send(sent)
        first = upload.answer().read()

        upload.socket.sendall(b"GET /livez HTTP/1.1\r\nHost: kehu\r\n\r\n")
        second = upload.answer()

        assert parsed(first)[1]["read"] == 5000
        assert second.status == 200
        upload.close()


class TestEnding:
    def test_a_sender_that_says_nothing_more_is_told(self, server: LiveServer) -> None:
        upload = Upload(server)
        upload.send(body(3) + b'{"exter')

        started = time.monotonic()
        results, summary = parsed(upload.answer().read())

        assert 1.0 < time.monotonic() - started < 5
        assert [result["outcome"] for result in results] == ["created"] * 3 + ["ended"]
        assert results[-1]["problem"]["code"] == "stream_timeout"
        assert results[-1]["problem"]["line"] == 4
        assert summary["read"] == 3
        upload.close()

    def test_a_sender_that_never_begins_is_408(self, server: LiveServer) -> None:
        upload = Upload(server, length=10)

        answer = upload.answer()

        assert answer.status == 408
        assert orjson.loads(answer.read())["code"] == "stream_timeout"
        upload.close()

    @pytest.mark.parametrize("chunked", [False, True])
    def test_a_body_that_was_cut_off_never_looks_complete(self, server: LiveServer, chunked: bool) -> None:
        upload = Upload(server, length=None if chunked else 10_000)
        # A whole object, and yet perhaps not all of the line.
        upload.send(body(3) + b'{"external_id": "9"}')
        upload.socket.shutdown(socket.SHUT_WR)

        results, summary = parsed(upload.answer().read())

        assert results[-1]["problem"]["code"] == "body_cut"
        assert results[-1]["line"] == 4
        assert summary["read"] == 3
        upload.close()

    def test_a_client_that_goes_away_leaves_nothing_behind(self, server: LiveServer) -> None:
        before = threads(worker_of(server))
        for _ in range(5):
            upload = Upload(server)
            upload.send(body(20_000))
            upload.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            upload.close()
            assert eventually(lambda: is_free(server))

        assert eventually(lambda: threads(worker_of(server)) <= max(before, 8))
        assert "Traceback" not in server.log()

    def test_a_gzip_bomb_ends_with_a_problem(self, server: LiveServer) -> None:
        packed = zlib.compressobj(9, zlib.DEFLATED, 31)
        bomb = packed.compress(body(1))
        bomb += b"".join(packed.compress(b" " * 1_000_000) for _ in range(300)) + packed.flush()
        upload = Upload(server, length=len(bomb), Content_Encoding="gzip")
        upload.send(bomb)

        results, summary = parsed(upload.answer().read())

        assert results[-1]["problem"]["code"] == "gzip_ratio"
        assert summary["read"] == 1
        assert resident(worker_of(server)) < 150
        upload.close()

    def test_damaged_gzip_ends_with_a_problem_behind_what_was_whole(self, server: LiveServer) -> None:
        packed = gzip.compress(body(5000, padding=20), 1)
        upload = Upload(server, length=len(packed) - 100, Content_Encoding="gzip")
        upload.send(packed[:-100])

        results, summary = parsed(upload.answer().read())

        assert results[-1]["problem"]["code"] == "gzip_damaged"
        assert 0 < summary["created"] < 5000
        # What came before may be wrong as well.
        assert results[-1]["line"] == 1
        upload.close()

    def test_where_the_database_goes_away_a_client_that_sends_first_is_told(self, server: LiveServer) -> None:
        sent = body(200_000)
        upload = Upload(server, "?fails_at=50500", length=len(sent))

        upload.send(sent)
        results, summary = parsed(upload.answer().read())

        assert results[-1]["outcome"] == "ended"
        assert results[-1]["problem"]["code"] == "database_unavailable"
        assert results[-1]["problem"]["line"] == summary["read"] + 1 <= 50_500
        upload.close()


class TestReaders:
    def test_a_stalled_reader_of_an_export_is_left(self) -> None:
        with serve(THINGS_PATIENCE="1") as server:
            reader = socket.create_connection(("127.0.0.1", server.port))
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(
                f"GET /v1/things/export?count=10000000 HTTP/1.1\r\nHost: kehu\r\nAuthorization: Bearer {feature.TOKEN}\r\n\r\n".encode()
            )
            reader.recv(100)

            assert eventually(lambda: '"route":"/v1/things/export"' in server.log(), within=15)
            reader.close()

    def test_a_stalled_reader_of_an_import_is_left_when_the_body_has_ended(self) -> None:
        with serve(THINGS_PATIENCE="1") as server:
            sent = body(200_000)
            upload = Upload(server, length=len(sent))
            upload.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            upload.send(sent)

            assert eventually(lambda: '"route":"/v1/things/import"' in server.log(), within=15)
            upload.close()

    def test_an_export_that_fails_on_the_way_does_not_look_complete(self, server: LiveServer) -> None:
        for version in ("1.1", "1.0"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as reader:
                asked = f"GET /v1/things/export?count=100000&fails_at=90000 HTTP/{version}\r\nHost: kehu\r\n"
                reader.sendall(f"{asked}Authorization: Bearer {feature.TOKEN}\r\n\r\n".encode())
                with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                    read_whole(reader)
        assert "export cut" in server.log()
        assert "Socket error" not in server.log()


class TestPlaces:
    def test_beyond_half_of_the_threads_a_stream_is_503(self, server: LiveServer) -> None:
        uploads = [Upload(server) for _ in range(2)]
        for upload in uploads:
            upload.send(body(1))
        time.sleep(0.2)
        third = Upload(server, length=3)
        third.send(b"{}\n")

        answer = third.answer()

        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert orjson.loads(answer.read())["code"] == "streams_busy"
        for upload in (*uploads, third):
            upload.close()
        assert eventually(lambda: is_free(server))


class TestStopping:
    @pytest.mark.parametrize("reads", [True, False])
    def test_a_stop_in_mid_import_says_where_to_go_on(self, reads: bool) -> None:
        with serve() as server:
            assert server.process is not None
            upload = Upload(server, "?pause=0.05")
            over = threading.Event()

            def send() -> None:
                try:
                    for start in range(0, 2_000_000, 1000):
                        upload.send(body(1000, start=start))
                        if over.is_set():
                            return
                except OSError:
                    return

            sender = threading.Thread(target=send)
            sender.start()
            time.sleep(1.5)
            stopped = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            if not reads:
                time.sleep(2)
            results, summary = parsed(upload.answer().read())
            over.set()
            upload.socket.shutdown(socket.SHUT_RDWR)
            sender.join()
            upload.close()
            code = server.process.wait(25)

            assert time.monotonic() - stopped < 20
            assert code == 0
            assert results[-1]["problem"]["code"] == "server_stopping"
            assert results[-1]["line"] == summary["read"] + 1 == len(results)
            assert summary["read"] % 1000 == 0


class TestMemory:
    def test_it_stays_flat(self) -> None:
        with serve() as server:
            worker = worker_of(server)
            seen = {}
            for count in (20_000, 200_000):
                upload = Upload(server)
                reader = threading.Thread(target=lambda upload=upload: upload.answer().read())
                reader.start()
                most = 0
                for start in range(0, count, 2000):
                    upload.send(body(2000, padding=300, start=start))
                    most = max(most, resident(worker))
                upload.end()
                reader.join()
                upload.close()
                seen[count] = most

        assert seen[200_000] < seen[20_000] + 20
