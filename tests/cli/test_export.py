"""Protects `kehu export`: a file is whole or not there."""

from __future__ import annotations

import csv
import io
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from flask import Flask

from tests.cli import kehu
from tests.cli.kehu import Ran
from tests.client import make_token
from tests.live import LiveServer, free_port

COUNT = 3_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nKehu-Position: p\r\n"

Run = Callable[..., Ran]


@pytest.fixture
def url(live: LiveServer) -> str:
    return f"http://127.0.0.1:{live.port}"


@pytest.fixture
def token(app: Flask) -> str:
    return make_token(app, "*")


@pytest.fixture
def run(url: str, token: str) -> Run:
    """`kehu`, over a service with customers."""
    rows = [
        {"source": "shop", "external_id": f"{number}", "given_name": f"Mei {number}", "country": "CN" if number % 3 else "FI"}
        for number in range(COUNT)
    ]
    filled = kehu.run(url, token, "import", "-", "--format", "ndjson", sent=kehu.ndjson(rows))
    assert filled.code == 0, filled.told
    return lambda *arguments: kehu.run(url, token, *arguments)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that says this to the first who asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


class TestFile:
    def test_ndjson_is_all_of_it_and_the_feed_goes_on_from_the_position(
        self, run: Run, live: LiveServer, token: str, tmp_path: Path
    ) -> None:
        ran = run("export", "--output", tmp_path / "all.ndjson")

        live.call("PUT", "/v1/customers/by/shop/later", token, json={"given_name": "Later"})
        position = ran.told.partition("Kehu-Position: ")[2].strip()
        later = live.call("GET", f"/v1/changes?after={position}&types=customer.*", token)[2]["data"]
        assert ran.code == 0, ran.told
        assert {row["external_ids"]["shop"] for row in kehu.read(tmp_path / "all.ndjson")} == {f"{number}" for number in range(COUNT)}
        assert [event["data"]["after"]["given_name"] for event in later] == ["Later"]
        assert os.listdir(tmp_path) == ["all.ndjson"]

    def test_csv_goes_by_the_name_of_the_file(self, run: Run, tmp_path: Path) -> None:
        ran = run("export", "--output", tmp_path / "all.csv", "--filter", "country=FI", "--filter", "fields=id,given_name,country")

        rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
        assert ran.code == 0, ran.told
        assert (len(rows), {row["country"] for row in rows}) == (COUNT // 3, {"FI"})

    def test_what_was_there_is_replaced_and_a_link_stays_one(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "real.ndjson").write_text("old")
        (tmp_path / "link.ndjson").symlink_to("real.ndjson")

        ran = run("export", "--output", tmp_path / "link.ndjson", "--filter", "external_id=shop:1")

        assert ran.code == 0
        assert (tmp_path / "link.ndjson").is_symlink()
        assert kehu.read(tmp_path / "real.ndjson")[0]["given_name"] == "Mei 1"

    def test_a_device_is_written_to_and_not_replaced(self, run: Run) -> None:
        ran = run("export", "--output", "/dev/null")

        assert ran.code == 0
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


class TestOutput:
    def test_the_standard_output_has_rows_alone(self, run: Run) -> None:
        ran = run("export", "--filter", "external_id=shop:7", "--filter", "fields=given_name")

        assert ran.code == 0
        assert [row["given_name"] for row in map(orjson.loads, ran.output.splitlines())] == ["Mei 7"]
        assert "Kehu-Position: " in ran.told

    def test_its_rows_are_csv_where_that_is_asked_for(self, run: Run) -> None:
        ran = run("export", "--format", "csv", "--filter", "external_id=shop:7", "--filter", "fields=given_name")

        assert ran.output.splitlines()[1].endswith(b"Mei 7")


class TestTrouble:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--filter", "contry=CN"), "query.contry"),
            (("--filter", "country"), "name=value"),
            (("--output", "/nowhere/x"), "/nowhere/x"),
            (("--url", f"http://127.0.0.1:{free_port()}"), "Connection refused"),
        ],
    )
    def test_what_cannot_be_meant_or_reached_is_2(self, url: str, token: str, arguments: tuple[str, ...], told: str) -> None:
        ran = kehu.run(url, token, "export", *arguments)

        assert ran.code == 2
        assert told in ran.told

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(b"", id="no answer"),
            pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n", id="no last chunk"),
            pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}\n", id="half a chunk"),
            pytest.param(HEAD + b"Content-Length: 9\r\n\r\n{}\n", id="less than announced"),
            pytest.param(HEAD + b"Connection: close\r\n\r\n{}\n", id="no way to tell"),
        ],
    )
    def test_a_part_never_passes_for_the_whole(self, token: str, tmp_path: Path, answer: bytes) -> None:
        (tmp_path / "all.ndjson").write_text("from yesterday")

        with answering(answer) as url:
            ran = kehu.run(url, token, "export", "--output", tmp_path / "all.ndjson")

        assert ran.code == 3, ran.told
        assert "is not written" in ran.told
        assert "Kehu-Position" not in ran.told
        assert (tmp_path / "all.ndjson").read_text() == "from yesterday"
        assert os.listdir(tmp_path) == ["all.ndjson"]
