"""Protects `kehu import` and `kehu check`: nothing is lost between a file and the service, and what was refused can be mended."""

from __future__ import annotations

import gzip
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.cli import kehu
from tests.cli.kehu import Ran
from tests.client import make_token
from tests.conftest import config_for
from tests.live import LiveServer, free_port


def rows(count: int, *, begin: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "source": "shop",
            "external_id": f"{number}",
            "given_name": f"Mei {number}",
            "family_name": "张",
            "email": f"mei{number}@shop.example",
        }
        for number in range(begin, begin + count)
    ]


def begun(url: str, token: str, lines: list[dict[str, Any]]) -> subprocess.Popen[bytes]:
    """An import of standard input that has these lines, and waits for more."""
    process = subprocess.Popen(
        **kehu.command(url, token, "import", "-", "--format", "ndjson"), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(kehu.ndjson(lines))
    process.stdin.flush()
    return process


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def url(live: LiveServer) -> str:
    return f"http://127.0.0.1:{live.port}"


@pytest.fixture
def token(app: Flask) -> str:
    return make_token(app, "*")


Run = Callable[..., Ran]


@pytest.fixture
def run(url: str, token: str) -> Run:
    return lambda *arguments, sent=b"": kehu.run(url, token, *arguments, sent=sent)


@pytest.fixture
def count(live: LiveServer, token: str) -> Callable[[], int]:
    return lambda: int(live.call("GET", "/v1/customers?count=exact&limit=1", token)[2]["total"])


class TestNdjson:
    def test_refused_lines_of_20_000_are_mended_and_sent_again(self, run: Run, count: Callable[[], int], tmp_path: Path) -> None:
        lines = [*rows(20_000)]
        for number in range(0, 20_000, 1_999):
            lines[number]["email"] = "nonsense"
        sent = kehu.ndjson(lines).splitlines(keepends=True)
        sent[5_000] = b'  {"external_id": broken}\r\n'
        (tmp_path / "all.ndjson").write_bytes(b"".join(sent))
        refused = tmp_path / "refused.ndjson"

        first = run("import", tmp_path / "all.ndjson", "--refused", refused)
        wrong, why = refused.read_bytes().splitlines(keepends=True), kehu.read(tmp_path / "refused.ndjson.reasons")
        at_first = count()
        refused.write_bytes(b"".join(wrong).replace(b"nonsense", b"a@shop.example").replace(b"broken}", b'"5000", "source": "shop"}'))
        again = run("import", refused, "--refused", tmp_path / "none.ndjson")
        whole = run("import", tmp_path / "all.ndjson")

        numbers = sorted([*range(0, 20_000, 1_999), 5_000])
        assert (first.code, at_first) == (1, 20_000 - len(numbers)), first.told
        assert wrong == [sent[number] for number in numbers]
        assert [reason["line"] for reason in why] == [number + 1 for number in numbers]
        assert why[0]["problem"]["errors"][0]["pointer"] == "/email"
        assert f"20,000 lines, {at_first:,} created, {len(numbers)} refused" in first.told
        assert (again.code, count()) == (0, 20_000), again.told
        assert (tmp_path / "none.ndjson").read_bytes() == (tmp_path / "none.ndjson.reasons").read_bytes() == b""
        assert whole.code == 1
        assert "19,988 unchanged, 12 refused" in whole.told

    def test_standard_input_is_taken_and_its_refused_lines_are_kept(self, run: Run, count: Callable[[], int], tmp_path: Path) -> None:
        sent = kehu.ndjson(rows(2_500)) + b"\n\nnothing"

        ran = run("import", "-", "--format", "ndjson", "--refused", tmp_path / "refused", sent=sent)

        assert (ran.code, count()) == (1, 2_500)
        assert (tmp_path / "refused").read_bytes() == b"nothing"

    @pytest.mark.parametrize("name", ["all.ndjson.gz", "-"])
    def test_compressed_lines_are_passed_on_and_the_refused_ones_come_back_plain(
        self, run: Run, count: Callable[[], int], tmp_path: Path, name: str
    ) -> None:
        packed = gzip.compress(kehu.ndjson(rows(1_500))) + gzip.compress(b"{}\n" + kehu.ndjson(rows(1_500, begin=1_500)) + b"[]\n")
        (tmp_path / "all.ndjson.gz").write_bytes(packed)
        options = ("--refused", tmp_path / "refused")

        if name == "-":
            ran = run("import", "-", "--format", "ndjson", "--gzip", *options, sent=packed)
        else:
            ran = run("import", tmp_path / name, *options)

        assert (ran.code, count()) == (1, 3_000), ran.told
        assert (tmp_path / "refused").read_bytes() == b"{}\n[]\n"

    def test_options_are_those_of_the_call(self, run: Run, live: LiveServer, token: str, tmp_path: Path) -> None:
        run("import", "-", "--format", "ndjson", sent=kehu.ndjson(rows(2)))
        deleted = live.call("GET", "/v1/customers/by/shop/1", token)[2]["id"]
        live.call("DELETE", f"/v1/customers/{deleted}", token)
        lines = [{"external_id": "a", "email": "mei0@shop.example"}, {"external_id": "1", "source": "shop", "country": "CN"}]

        refused = run("import", "-", "--format", "ndjson", "--source", "mail", sent=kehu.ndjson(lines[1:]))
        ran = run("import", "-", "--format", "ndjson", "--source", "mail", "--match", "email", "--restore", sent=kehu.ndjson(lines))

        assert (refused.code, "line 1 (shop: 1): 410 customer_deleted" in refused.told) == (1, True), refused.told
        assert ran.code == 0, ran.told
        assert live.call("GET", "/v1/customers/by/mail/a", token)[2]["external_ids"] == {"mail": "a", "shop": "0"}
        assert live.call("GET", f"/v1/customers/{deleted}", token)[2]["country"] == "CN"


class TestCsv:
    def test_refused_records_come_back_below_the_header_with_all_their_lines(
        self, run: Run, count: Callable[[], int], tmp_path: Path
    ) -> None:
        header = "\ufeffsource;external_id;email;given_name\r\n".encode()
        good = b'shop;1;a@shop.example;"Mei; ""Li"""\r\n'
        bad = 'shop;2;nonsense;"张\r\n\r\n伟; ""x"""\r\n'.encode()
        short = b"shop;3\r\n"
        last = b"shop;4;nonsense;x"
        (tmp_path / "all.csv").write_bytes(header + b"\r\n" + good + bad + b"\r\n" + good + short + last)

        ran = run("import", tmp_path / "all.csv", "--refused", tmp_path / "refused.csv")
        refused = (tmp_path / "refused.csv").read_bytes()
        mended = refused.replace(b"nonsense", b"").replace("\r\n\r\n伟".encode(), b"").replace(short, b"shop;3;;\r\n")
        (tmp_path / "refused.csv").write_bytes(mended)
        again = run("import", tmp_path / "refused.csv")

        assert ran.code == 1, ran.told
        assert refused == header + bad + b"\r\n" + short + last
        assert [reason["line"] for reason in kehu.read(tmp_path / "refused.csv.reasons")] == [4, 9, 10]
        assert (again.code, count()) == (0, 4), again.told

    def test_a_header_that_is_not_known_is_told_before_anything_is_written(
        self, run: Run, count: Callable[[], int], tmp_path: Path
    ) -> None:
        (tmp_path / "all.csv").write_bytes(b"source,external_id,e-mail\nshop,1,a@shop.example\n")

        ran = run("import", tmp_path / "all.csv")

        assert (ran.code, count()) == (2, 0)
        assert "header.e-mail" in ran.told


class TestCheck:
    def test_it_says_what_would_be_refused_and_writes_nothing(self, run: Run, count: Callable[[], int], tmp_path: Path) -> None:
        lines = rows(3_000)
        lines[1_234]["email"] = "nonsense"
        (tmp_path / "all.jsonl").write_bytes(kehu.ndjson(lines))

        ran = run("check", tmp_path / "all.jsonl", "--refused", tmp_path / "refused")

        assert (ran.code, count()) == (1, 0)
        assert ran.output.decode().startswith("line 1235 (shop: 1234): 422 ")
        assert ran.output.count(b"\n") == 1
        assert "/email" in ran.output.decode()
        assert "would be 2,999 created, 1 refused" in ran.told
        assert kehu.read(tmp_path / "refused") == [lines[1_234]]

    def test_a_good_file_is_0(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(kehu.ndjson(rows(10)))

        ran = run("check", tmp_path / "all.ndjson")

        assert (ran.code, ran.output) == (0, b"")


class TestTrouble:
    def test_a_wrong_token_is_a_sentence_whatever_the_size(self, url: str, token: str, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(kehu.ndjson(rows(100_000)))

        wrong = token[:-1] + ("x" if token[-1] != "x" else "y")
        ran = kehu.run(url, wrong, "import", tmp_path / "all.ndjson")

        assert ran.code == 2
        assert ran.told.startswith("kehu: 401 "), ran.told

    def test_no_token_is_a_sentence(self, url: str, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(b"")

        ran = kehu.run(url, "", "import", tmp_path / "all.ndjson")

        assert (ran.code, "KEHU_TOKEN" in ran.told) == (2, True)

    def test_no_server_is_a_sentence(self, token: str, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(b"")

        ran = kehu.run(f"http://127.0.0.1:{free_port()}", token, "import", tmp_path / "all.ndjson")

        assert ran.code == 2
        assert "Connection refused" in ran.told

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("import", "-"), "--format"),
            (("import", "nowhere.csv"), "nowhere.csv"),
            (("import", "-", "--format", "csv", "--url", "ftp://x"), "--url"),
            (("import", "-", "--format", "csv", "--refused", "/nowhere/x"), "/nowhere/x"),
        ],
    )
    def test_what_cannot_be_meant_is_2(self, run: Run, arguments: tuple[str, ...], told: str) -> None:
        ran = run(*arguments)

        assert ran.code == 2
        assert told in ran.told

    def test_the_file_itself_is_not_overwritten_by_what_is_refused(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(b"{}\n")

        ran = run("import", tmp_path / "all.ndjson", "--refused", tmp_path / "all.ndjson")

        assert (ran.code, (tmp_path / "all.ndjson").read_bytes()) == (2, b"{}\n")

    def test_refused_lines_from_before_stay_where_nothing_was_sent(self, url: str, token: str, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(b"{}\n")
        (tmp_path / "refused").write_bytes(b"mended by hand")

        wrong = token[:-1] + ("x" if token[-1] != "x" else "y")
        ran = kehu.run(url, wrong, "import", tmp_path / "all.ndjson", "--refused", tmp_path / "refused")

        assert (ran.code, (tmp_path / "refused").read_bytes()) == (2, b"mended by hand")

    def test_damaged_gzip_is_3_and_says_from_where(self, run: Run, tmp_path: Path) -> None:
        packed = gzip.compress(kehu.ndjson(rows(40_000)))
        (tmp_path / "all.ndjson.gz").write_bytes(packed[: len(packed) * 3 // 4])

        ran = run("import", tmp_path / "all.ndjson.gz", "--refused", tmp_path / "refused")

        assert ran.code == 3, ran.told
        assert "400 gzip_damaged" in ran.told
        assert "end again from line " in ran.told

    def test_a_busy_service_is_asked_again(self, app: Flask, token: str, tmp_path: Path) -> None:
        with LiveServer(config_for(app.extensions["kehu"].config.database_url), KEHU_WORKERS="1", KEHU_THREADS="3") as server:
            url = f"http://127.0.0.1:{server.port}"
            holding = begun(url, token, rows(1))
            wait_until(lambda: server.call("GET", "/v1/customers", token)[2]["data"])
            waiting = begun(url, token, rows(2))
            assert waiting.stderr is not None
            told = waiting.stderr.readline()
            holding.communicate()
            rest = waiting.communicate()[1]

        assert b"streams_busy" in told
        assert b"Trying again in 1 s" in told
        assert (holding.returncode, waiting.returncode) == (0, 0), rest
        assert b"2 lines, 1 created, 1 unchanged" in rest


class TestBroken:
    def test_a_server_killed_in_mid_import_is_3_and_the_line_it_names_is_enough(self, app: Flask, token: str, tmp_path: Path) -> None:
        lines = kehu.ndjson(rows(60_000)).splitlines(keepends=True)
        (tmp_path / "all.ndjson").write_bytes(b"".join(lines))
        with LiveServer(config_for(app.extensions["kehu"].config.database_url)) as server:
            url = f"http://127.0.0.1:{server.port}"
            importing = subprocess.Popen(**kehu.command(url, token, "import", tmp_path / "all.ndjson"), stderr=subprocess.PIPE)
            wait_until(lambda: server.call("GET", "/v1/customers?limit=1", token)[2]["data"])
            time.sleep(0.3)
            server.kill()
            told = importing.communicate(timeout=60)[1].decode()
            server.start()
            line = int(told.partition("Send again from line ")[2].partition(",")[0])
            (tmp_path / "rest.ndjson").write_bytes(b"".join(lines[line - 1 :]))
            again = kehu.run(url, token, "import", tmp_path / "rest.ndjson")
            total = server.call("GET", "/v1/customers?count=exact&limit=1", token)[2]["total"]

        assert importing.returncode == 3, told
        assert "Traceback" not in told
        assert 1 < line < 60_000
        assert (again.code, total) == (0, 60_000), again.told

    def test_a_server_that_is_stopped_says_from_where(self, app: Flask, token: str) -> None:
        with LiveServer(config_for(app.extensions["kehu"].config.database_url)) as server:
            url = f"http://127.0.0.1:{server.port}"
            importing = begun(url, token, rows(1_500))
            wait_until(lambda: server.call("GET", "/v1/customers?limit=1", token)[2]["data"])
            time.sleep(1.5)
            server.stop()
            told = importing.communicate(timeout=60)[1].decode()

        assert importing.returncode == 3, told
        assert "server_stopping" in told
        assert "Send again from line 1501" in told

    def test_ctrl_c_says_how_far_it_came(self, url: str, token: str, live: LiveServer) -> None:
        importing = begun(url, token, rows(1_500))
        wait_until(lambda: live.call("GET", "/v1/customers?external_id=shop:1499", token)[2]["data"])
        time.sleep(0.5)

        importing.send_signal(signal.SIGINT)
        told = importing.communicate(timeout=30)[1].decode()

        assert importing.returncode == 130, told
        assert "1,500 lines, 1,500 created" in told
        assert "Send again from line 1500" in told


class TestTerminal:
    def test_the_progress_is_one_line_that_goes_away(self, url: str, token: str, tmp_path: Path) -> None:
        (tmp_path / "all.ndjson").write_bytes(kehu.ndjson(rows(20_000)) + b"{}\n")
        ours, theirs = pty.openpty()
        importing = subprocess.Popen(**kehu.command(url, token, "import", tmp_path / "all.ndjson"), stderr=theirs)
        os.close(theirs)

        shown = b""
        while piece := _read(ours):
            shown += piece
        code = importing.wait(30)
        os.close(ours)

        assert code == 1
        assert b"%  " in shown
        assert b" lines  " in shown
        assert shown.split(b"\r\x1b[K")[-1].count(b"\n") == 2, shown

    def test_elsewhere_there_is_a_summary_alone(self, run: Run) -> None:
        ran = run("import", "-", "--format", "ndjson", sent=kehu.ndjson(rows(5_000)))

        assert ran.code == 0
        assert [line.partition(":")[0] for line in ran.told.splitlines()] == ["kehu", "kehu"]
        assert "\r" not in ran.told


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        # What Linux says where the other side is closed.
        return b""
