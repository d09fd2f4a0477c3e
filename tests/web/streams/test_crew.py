"""Protects the chunks that another process writes: they become what they would here, and one that is lost is never told as written."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.config import Config
from app.contact_history.bulk.importing import Entries
from app.core import logs
from app.core.caller import command_line
from app.core.errors import FieldFault, Gone, Invalid, KehuError, Unavailable
from app.core.syncing import Outcome
from app.customers.bulk.importing import Customers
from app.db.engines import Database
from app.web.bulk.importing import Writer
from app.web.problems import HttpProblem, document_of
from app.web.streams import chunks
from app.web.streams import crew as crew_module
from app.web.streams.chunks import Errand, Written
from app.web.streams.crew import Crew, Hand, Lost
from app.web.streams.importing import Importing
from app.web.streams.lines import Applied, Line, LineResult, Means
from app.web.streams.ndjson import too_long
from app.web.streams.operations import Import
from app.web.streams.turns import Forsaken, Turn
from tests.faults.calls import wait_until

_ID = UUID("01890000-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Writing:
    """Writes nothing. Its results name the process that they come from; `fails` says at what point, and how, it does not come that far."""

    here: int
    fails: str = ""

    def __call__(self, here: Means, lines: Sequence[Line], turn: Turn[Any], /, *, report_all: bool) -> Applied:
        if self.fails == "dies before its turn" and os.getpid() != self.here:
            os._exit(1)
        if self.fails == "is refused":
            raise Unavailable("database_busy")
        if self.fails == "is wrong":
            raise Invalid([FieldFault("/email", "invalid_email", "No.")])
        if self.fails == "is our mistake":
            raise RuntimeError("a mistake of ours")
        before = turn.wait()
        if self.fails == "dies in its turn":
            os._exit(1)
        turn.leave({"by": os.getpid(), "before": before})
        results = [_result(line) for line in lines] if report_all else []
        return Applied(Counter({Outcome.CREATED: len(lines)}), results, (1, 2, lines[-1].number))


def _result(line: Line) -> LineResult:
    assert line.data is not None
    return LineResult(line.number, Outcome.CREATED, 201, str(os.getpid()), line.data["external_id"], _ID, 1)


@dataclass(frozen=True)
class Here:
    config: Config
    database: Database


@pytest.fixture(scope="module")
def config() -> Config:
    return Config(database_url="postgresql+psycopg://", data_dir=Path(), secret_key="of no use", import_processes=2)


@pytest.fixture(scope="module")
def here(config: Config) -> Here:
    return Here(config, Database(config))


@pytest.fixture(scope="module")
def crew(config: Config) -> Iterator[Crew]:
    found = Crew(config)
    with redirect_stderr(sys.__stderr__):
        # What is caught of ours is another descriptor, which it closes.
        logs.configure()
        found.open()
    logs.configure()
    yield found
    found.close()


@pytest.fixture
def hand(crew: Crew) -> Iterator[Hand]:
    found = crew.hire()
    assert found is not None
    yield found
    found.dismiss()


def _errand(*lines: Line, fails: str = "", report_all: bool = True) -> Errand:
    return Errand(Writing(os.getpid(), fails), lines or _some(), "request", report_all)


def _some() -> tuple[Line, ...]:
    return tuple(Line(number, None, b'{"external_id":"%d"}' % number) for number in (1, 2, 3))


def _told(written: Written) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in written.shown.splitlines()]


def _writers(written: Written) -> set[str]:
    return {line["source"] for line in _told(written) if line["source"] is not None}


class TestHand:
    def test_it_writes_what_would_be_written_here(self, hand: Hand, here: Here) -> None:
        lines = (
            *_some(),
            Line(4, None, b"{"),
            Line(5, None, b"[]"),
            too_long(6),
            Line(7, {"external_id": "of csv"}, b""),
            Line(8, None, b"", Invalid([FieldFault("/email", "invalid_email", "No.")])),
        )
        there = hand.write(_errand(*lines), Turn(None))
        same = chunks.write(here, _errand(*lines), Turn(None))
        (pid,) = _writers(there)

        assert pid != str(os.getpid())
        assert there.outcomes == same.outcomes == {Outcome.CREATED: 4, Outcome.FAILED: 4}
        assert there.position == same.position == (1, 2, 7)
        assert there.shown.replace(pid.encode(), str(os.getpid()).encode()) == same.shown
        assert [line["line"] for line in _told(there)] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert [line.get("problem", {}).get("code") for line in _told(there)][3:] == [
            "malformed_json",
            "invalid",
            "line_too_long",
            None,
            "invalid",
        ]

    def test_only_what_failed_is_told_where_that_is_asked_for(self, hand: Hand) -> None:
        written = hand.write(_errand(*_some(), Line(4, None, b"{"), report_all=False), Turn(None))

        assert [line["line"] for line in _told(written)] == [4]
        assert written.outcomes.total() == 4

    def test_it_knows_what_the_chunk_before_has_left_and_leaves_its_own(self, hand: Hand) -> None:
        before: Turn[Any] = Turn(None)
        turn: Turn[Any] = Turn(before)
        before.leave("of the chunk before")
        written = hand.write(_errand(), turn)

        assert Turn(turn).wait() == {"by": int(*_writers(written)), "before": "of the chunk before"}

    def test_it_is_forsaken_where_the_chunk_before_was_not_written(self, hand: Hand) -> None:
        before: Turn[Any] = Turn(None)
        turn: Turn[Any] = Turn(before)
        before.close()
        with pytest.raises(Forsaken):
            hand.write(_errand(), turn)

        # And goes on with the next.
        assert hand.write(_errand(), Turn(None)).outcomes.total() == 3

    @pytest.mark.parametrize(
        ("fails", "status", "code", "errors"),
        [
            ("is refused", 503, "database_busy", None),
            ("is our mistake", 500, "internal", None),
            ("is wrong", 422, "invalid", [{"pointer": "/email", "code": "invalid_email", "detail": "No."}]),
        ],
    )
    def test_what_kept_it_from_being_written_is_told(
        self, hand: Hand, fails: str, status: int, code: str, errors: list[object] | None
    ) -> None:
        with pytest.raises((HttpProblem, KehuError)) as raised:
            hand.write(_errand(fails=fails), Turn(None))

        document = document_of(raised.value, request_id="")
        assert (document["status"], document["code"], document.get("errors")) == (status, code, errors)
        assert hand.write(_errand(), Turn(None)).outcomes.total() == 3


class TestLost:
    def test_nothing_is_written_before_the_turn(self, hand: Hand) -> None:
        with pytest.raises(Lost):
            hand.write(_errand(fails="dies before its turn"), Turn(None))

    def test_one_that_is_gone_in_the_middle_of_a_word_is_gone(self) -> None:
        ours, theirs = socket.socketpair()
        places = threading.Semaphore(0)
        found = Hand(Connection(ours.detach()), places)
        # The length of a message that does not come.
        theirs.sendall(struct.pack("!i", 1000) + b"x")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(Lost):
            found.write(_errand(), Turn(None))
        found.dismiss()
        theirs.close()

        assert not found.is_free
        assert places.acquire(blocking=False)

    def test_one_that_hangs_is_as_good_as_gone(self, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
        (pid,) = _writers(hand.write(_errand(), Turn(None)))
        monkeypatch.setattr(crew_module, "_SILENT_SECONDS", 0.1)
        os.kill(int(pid), signal.SIGSTOP)
        try:
            with pytest.raises(Lost):
                hand.write(_errand(), Turn(None))
        finally:
            os.kill(int(pid), signal.SIGCONT)

    def test_what_may_be_written_is_not_told_as_written(self, hand: Hand) -> None:
        turn: Turn[Any] = Turn(None)
        with pytest.raises(HttpProblem) as raised:
            hand.write(_errand(fails="dies in its turn"), turn)
        turn.close()

        assert (raised.value.status, raised.value.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "import_process_lost")
        raised.value.data["line"] = 7
        assert "line 7" in document_of(raised.value, request_id="")["detail"]
        with pytest.raises(Forsaken):
            Turn(turn).wait()


class TestCrew:
    def test_there_are_at_most_as_many_as_there_may_be(self, crew: Crew) -> None:
        first, second, third = crew.hire(), crew.hire(), crew.hire()
        assert first is not None
        assert second is not None
        pids = _writers(first.write(_errand(), Turn(None))) | _writers(second.write(_errand(), Turn(None)))
        first.dismiss()
        again = crew.hire()
        assert again is not None
        again.dismiss()
        second.dismiss()

        assert third is None
        assert len(pids) == 2

    def test_one_that_is_dismissed_ends(self, crew: Crew) -> None:
        found = crew.hire()
        assert found is not None
        (pid,) = _writers(found.write(_errand(), Turn(None)))
        found.dismiss()

        wait_until(lambda: not _is_alive(int(pid)))

    def test_who_is_hired_when_none_can_be_forked_any_more_is_lost_at_once(self, config: Config, caplog: pytest.LogCaptureFixture) -> None:
        crew = Crew(config)
        crew._nursery, theirs = socket.socketpair()
        theirs.close()
        found = crew.hire()

        assert found is not None
        assert "import_processes_gone" in caplog.text
        with pytest.raises(Lost):
            found.write(_errand(), Turn(None))
        found.dismiss()
        crew.close()

    def test_the_one_that_forks_leaves_nothing_behind_when_it_is_killed(self, config: Config) -> None:
        crew = Crew(config)
        with redirect_stderr(sys.__stderr__):
            crew.open()
        os.kill(crew._pid, signal.SIGKILL)
        os.waitid(os.P_PID, crew._pid, os.WEXITED | os.WNOWAIT)
        found = crew.hire()
        assert found is not None
        found.dismiss()
        crew.close()

        assert not _is_alive(crew._pid)

    @pytest.mark.parametrize("count", [0, 1])
    def test_there_is_none_where_there_are_to_be_none_or_none_can_be_forked(self, config: Config, count: int) -> None:
        crew = Crew(replace(config, import_processes=count))
        assert crew.hire() is None

        crew.open()
        crew.close()
        assert crew.hire() is None


class TestBetweenProcesses:
    @pytest.mark.parametrize(
        "error",
        [
            Gone(existing_id=_ID, deleted_at=datetime(2026, 1, 1, tzinfo=UTC)),
            Invalid([FieldFault("/email", "invalid_email", "No.")], code="wrong"),
            Unavailable("database_busy"),
            HttpProblem(HTTPStatus.BAD_REQUEST, "malformed_line", reason="of its own"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_an_error_comes_as_it_was(self, error: Exception) -> None:
        again = pickle.loads(pickle.dumps(error))

        assert type(again) is type(error)
        assert (vars(again), str(again)) == (vars(error), str(error))

    @pytest.mark.parametrize(
        ("feature", "more"), [(Customers, {"match": None}), (Entries, {"create_missing": "true"})], ids=["customers", "interactions"]
    )
    def test_what_writes_a_chunk_comes_as_it_was(self, feature: type[Any], more: dict[str, Any]) -> None:
        query = {"source": "shop", "deleted": None, "dry_run": "false", "report": "all", **more}
        writer = Writer(Import(command_line("test"), "request"), query, feature(query))
        again = pickle.loads(pickle.dumps(writer))

        assert (again.call, again.query, vars(again.feature)) == (writer.call, writer.query, vars(writer.feature))


class TestImporting:
    def write(self, crew: Crew, here: Here, *fails: str) -> list[Written]:
        """A chunk after the other."""
        apply = Writing(os.getpid())
        written = []
        with Importing(here, crew, apply, report_all=True) as importing:
            for one in fails:
                importing.count()
                importing._apply = replace(apply, fails=one)
                written.append(importing.write(_some(), Turn(None)))
        return written

    def test_the_first_chunk_is_written_here_and_those_behind_it_by_others(self, crew: Crew, here: Here) -> None:
        first, *others = self.write(crew, here, "", "", "", "")

        assert _writers(first) == {str(os.getpid())}
        assert not any(str(os.getpid()) in _writers(one) for one in others)

    def test_what_the_lost_have_not_written_others_do_and_at_last_we(self, crew: Crew, here: Here) -> None:
        *_, lost, last = self.write(crew, here, "", "dies before its turn", "")

        assert _writers(lost) == _writers(last) == {str(os.getpid())}

    def test_all_are_given_back(self, crew: Crew, here: Here) -> None:
        with pytest.raises(HttpProblem):
            self.write(crew, here, "", "", "dies in its turn")
        self.write(crew, here, "", "dies before its turn")
        found = [crew.hire(), crew.hire()]
        for one in found:
            assert one is not None
            one.dismiss()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
