"""Protects `kehu serve`: one command brings the service up, it heals what is killed, and leaves nothing behind at its end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0

# Runs its arguments as a child and waits, as make does.
PARENT = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


@dataclass
class Service:
    """A `kehu serve` and what it wrote."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return (self.home / "output").read_text()

    @property
    def gunicorn(self) -> int:
        return int(re.findall(r"Listening at: \S+ \((\d+)\)", self.output)[-1])

    @property
    def postgres(self) -> int:
        return int((self.home / "data" / "postgres" / "postmaster.pid").read_text().split()[0])

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def wait_until(self, condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < give_up, self.output
            time.sleep(0.05)

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: self.status("/readyz") == 200 or self.process.poll() is not None)
        assert self.process.poll() is None, self.output

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def ask(self, request: bytes) -> tuple[str, dict[str, str], dict[str, object]]:
        """Status line, headers and document of an answer to bytes that are no proper request."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        return status, dict(line.split(": ", 1) for line in lines), json.loads(body)


def start(home: Path, *, port: int | None = None, before: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> Service:
    chosen = port or free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KEHU_", "PROMETHEUS_"))}
    environment |= {"KEHU_DATA_DIR": str(home / "data"), "KEHU_BIND": f"127.0.0.1:{chosen}"}
    with (home / "output").open("ab") as output:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "app.cli", "serve", *options],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    return Service(home, chosen, process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def make_home() -> Path:
    """Where PostgreSQL's account can go, unlike pytest's own directories; with a space, as checkouts have."""
    home = Path(tempfile.mkdtemp(prefix="kehu test-"))
    home.chmod(0o755)
    return home


@pytest.fixture
def home() -> Iterator[Path]:
    path = make_home()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def served() -> Iterator[Service]:
    """One service for the tests that leave it as it is."""
    home = make_home()
    service = start(home)
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.end()
        shutil.rmtree(home)


class TestLife:
    def test_the_first_start_shows_a_token_and_the_second_none(self, home: Path) -> None:
        first = start(home)
        first.wait_until_ready()
        told = first.output
        pids = (first.gunicorn, first.postgres)

        code = first.end()
        alive = [pid for pid in pids if is_alive(pid)]
        (home / "output").unlink()
        second = start(home)
        second.wait_until_ready()
        told_again = second.output
        second.end()

        assert f"http://127.0.0.1:{first.port}/docs" in told
        assert "first token" in told
        assert code == 0
        assert alive == []
        assert "first token" not in told_again

    def test_a_request_in_flight_is_answered_before_the_end(self, home: Path) -> None:
        service = start(home)
        service.wait_until_ready()
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: kehu\r\n")
            time.sleep(0.3)

            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(b"Connection: close\r\n\r\n")
            answer = connection.recv(65536)

        code = service.process.wait(PATIENCE)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert code == 0

    def test_sigint_during_the_start_ends_it_quietly(self, home: Path) -> None:
        service = start(home)
        service.wait_until(lambda: (home / "data" / "postgres.lock").exists())

        service.process.send_signal(signal.SIGINT)

        assert service.process.wait(PATIENCE) == 0
        assert "Traceback" not in service.output


class TestKilled:
    def test_a_killed_database_is_started_again(self, home: Path) -> None:
        service = start(home)
        service.wait_until_ready()
        killed = service.postgres

        os.kill(killed, signal.SIGKILL)
        service.wait_until(lambda: "starting it again" in service.output)
        service.wait_until_ready()

        assert service.postgres != killed
        assert service.end() == 0

    def test_a_killed_gunicorn_ends_all_with_an_error(self, home: Path) -> None:
        service = start(home)
        service.wait_until_ready()
        workers = [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", service.output)]
        database = service.postgres

        os.kill(service.gunicorn, signal.SIGKILL)

        assert service.process.wait(PATIENCE) == 1
        assert "gunicorn ended by itself (signal 9)" in service.output
        assert not is_alive(database)
        service.wait_until(lambda: not any(is_alive(pid) for pid in workers))

    @pytest.mark.skipif(sys.platform != "linux", reason="the tie to the parent is Linux's")
    def test_nothing_outlives_a_killed_parent(self, home: Path) -> None:
        service = start(home, before=(sys.executable, "-c", PARENT), options=("--with-parent",))
        service.wait_until_ready()
        pids = (service.gunicorn, service.postgres)

        service.process.kill()
        service.process.wait()

        service.wait_until(lambda: not any(is_alive(pid) for pid in pids))

    @pytest.mark.skipif(sys.platform != "linux", reason="the tie to the parent is Linux's")
    def test_nothing_outlives_a_killed_supervisor_and_the_next_start_works(self, home: Path) -> None:
        service = start(home)
        service.wait_until_ready()
        pids = (service.gunicorn, service.postgres)

        service.process.kill()
        service.process.wait()
        again = start(home, port=service.port)
        service.wait_until(lambda: not any(is_alive(pid) for pid in pids))
        again.wait_until_ready()

        assert again.end() == 0


class TestRefusals:
    def test_a_port_in_use_is_said_before_anything_is_started(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            service = start(home, port=taken.getsockname()[1])

            code = service.process.wait(PATIENCE)

        assert code != 0
        assert "is in use by another program: set KEHU_BIND" in service.output
        assert not (home / "data" / "postgres").exists()

    def test_a_bad_setting_is_a_sentence(self, home: Path) -> None:
        environment = {**os.environ, "KEHU_DATA_DIR": str(home), "KEHU_WORKERS": "none"}

        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "serve"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

        assert done.returncode == 2
        assert done.stderr == "kehu: KEHU_WORKERS: has to be a whole number from 1 to 256\n"


class TestServed:
    @pytest.mark.parametrize(
        ("request_bytes", "status", "code"),
        [
            (b"anna@example.com\r\n\r\n", "400 Bad Request", "bad_request"),
            (b"GET / HTTP/1.1\r\nHost: kehu\r\nanna example: 1\r\n\r\n", "400 Bad Request", "bad_request"),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", "414 Request-URI Too Long", "uri_too_long"),
            (
                b"GET / HTTP/1.1\r\nHost: kehu\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n",
                "431 Request Header Fields Too Large",
                "headers_too_large",
            ),
            (b"POST / HTTP/1.1\r\nHost: kehu\r\nTransfer-Encoding: anna\r\n\r\n", "501 Not Implemented", "not_implemented"),
            (b"GET / HTTP/1.1\r\nHost: kehu\r\nExpect: anna\r\n\r\n", "417 Expectation Failed", "expectation_failed"),
        ],
    )
    def test_what_never_reaches_the_application_is_a_problem_too(
        self, served: Service, request_bytes: bytes, status: str, code: str
    ) -> None:
        line, headers, problem = served.ask(request_bytes)

        assert line == f"HTTP/1.1 {status}"
        assert headers["Content-Type"] == "application/problem+json"
        assert headers["Connection"] == "close"
        assert problem["type"] == f"urn:kehu:problem:{code}"
        assert problem["status"] == int(status[:3])
        assert problem["code"] == code
        assert re.fullmatch("[0-9a-f]{32}", str(problem["request_id"]))
        assert f"request_id={problem['request_id']}" in served.output
        assert "anna" not in served.output

    def test_sighup_puts_new_workers_in_the_place_of_the_old(self, served: Service) -> None:
        before = set(re.findall(r"Booting worker with pid: (\d+)", served.output))

        served.process.send_signal(signal.SIGHUP)
        served.wait_until(lambda: len(re.findall("Worker exiting", served.output)) >= len(before))

        assert served.status("/readyz") == 200

    def test_kehu_migrate_joins_the_running_database(self, served: Service) -> None:
        environment = {**os.environ, "KEHU_DATA_DIR": str(served.home / "data")}
        environment.pop("KEHU_DATABASE_URL", None)

        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "migrate"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, done.stderr
        assert done.stdout == "The database is up to date.\n"
