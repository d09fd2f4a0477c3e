"""Protects the chunks that another process writes: they become what they would here, and one that is lost is never told as written."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.config import Config
from app.core.errors import FieldFault, Invalid, Unavailable
from app.core.syncing import Outcome
from app.db.engines import Database
from app.web.problems import HttpProblem, document_of
from app.web.streams import chunks, hand
from app.web.streams.chunks import Errand, Written
from app.web.streams.crew import Crew
from app.web.streams.lines import Line, LineResult, Means, Position
from app.web.streams.ndjson import too_long
from app.web.streams.turns import Forsaken, Turn

_ID = UUID("01890000-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Writing:
    """Writes nothing. Its results name the process that they come from; `fails` says at what point, and how, it does not come that far."""

    here: int
    fails: str = ""

    def __call__(self, here: Means, lines: Sequence[Line], turn: Turn[Any], /) -> tuple[Sequence[LineResult], Position | None]:
        if self.fails == "dies before its turn" and os.getpid() != self.here:
            os._exit(1)
        if self.fails == "is refused":
            raise Unavailable("database_busy")
        if self.fails == "is our mistake":
            raise RuntimeError("a mistake of ours")
        before = turn.wait()
        if self.fails == "dies in its turn":
            os._exit(1)
        turn.leave({"by": os.getpid(), "before": before})
        return [_result(line) for line in lines], (1, 2, lines[-1].number)


def _result(line: Line) -> LineResult:
    assert line.data is not None
    return LineResult(line.number, Outcome.CREATED, 201, str(os.getpid()), line.data["external_id"], _ID, 1)


@dataclass(frozen=True)
class Here:
    config: Config
    database: Database


@pytest.fixture(scope="module")
def config() -> Config:
    return Config(database_url="postgresql+psycopg://", data_dir=Path(), secret_key="of no use", import_processes=1)


@pytest.fixture(scope="module")
def here(config: Config) -> Here:
    return Here(config, Database(config))


@pytest.fixture(scope="module")
def crew_of_all(config: Config) -> Iterator[Crew]:
    found = Crew(config)
    yield found
    found.close()


@pytest.fixture
def crew(crew_of_all: Crew) -> Crew:
    """One whose process is ready, called in where the test before has ended it."""
    _wait_until(lambda: all(one.process.poll() is None for one in crew_of_all._hands))
    crew_of_all.call_in(Writing(os.getpid()))
    _wait_until(lambda: bool(crew_of_all._free))
    return crew_of_all


def _wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def _errand(*lines: Line, fails: str = "", report_all: bool = True) -> Errand:
    return Errand(Writing(os.getpid(), fails), lines or _some(), "request", report_all)


def _some() -> tuple[Line, ...]:
    return tuple(Line(number, None, b'{"external_id":"%d"}' % number) for number in (1, 2, 3))


def _told(written: Written) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in written.shown.splitlines()]


def _writers(written: Written) -> set[str]:
    return {line["source"] for line in _told(written)}


class TestWrite:
    def test_another_process_writes_what_would_be_written_here(self, crew: Crew, here: Here) -> None:
        lines = (
            *_some(),
            Line(4, None, b"{"),
            Line(5, None, b"[]"),
            too_long(6),
            Line(7, {"external_id": "of csv"}, b""),
            Line(8, None, b"", Invalid([FieldFault("/email", "invalid_email", "No.")])),
        )
        there = crew.write(here, _errand(*lines), Turn(None))
        same = chunks.write(here, _errand(*lines), Turn(None))

        assert there.outcomes == same.outcomes == {Outcome.CREATED: 4, Outcome.FAILED: 4}
        assert there.position == same.position == (1, 2, 7)
        assert there.shown.replace(str(crew._hands[0].process.pid).encode(), str(os.getpid()).encode()) == same.shown
        assert [line["line"] for line in _told(there)] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert [line.get("problem", {}).get("code") for line in _told(there)][3:] == [
            "malformed_json",
            "invalid",
            "line_too_long",
            None,
            "invalid",
        ]

    def test_only_what_failed_is_told_where_that_is_asked_for(self, crew: Crew, here: Here) -> None:
        written = crew.write(here, _errand(*_some(), Line(4, None, b"{"), report_all=False), Turn(None))

        assert [line["line"] for line in _told(written)] == [4]
        assert written.outcomes.total() == 4

    def test_it_knows_what_the_chunk_before_has_left_and_leaves_its_own(self, crew: Crew, here: Here) -> None:
        before: Turn[Any] = Turn(None)
        turn: Turn[Any] = Turn(before)
        before.leave("of the chunk before")
        written = crew.write(here, _errand(), turn)

        assert Turn(turn).wait() == {"by": int(*_writers(written)), "before": "of the chunk before"}

    def test_it_is_forsaken_where_the_chunk_before_was_not_written(self, crew: Crew, here: Here) -> None:
        before: Turn[Any] = Turn(None)
        turn: Turn[Any] = Turn(before)
        before.close()
        with pytest.raises(Forsaken):
            crew.write(here, _errand(), turn)

        # And goes on with the next.
        assert _writers(crew.write(here, _errand(), Turn(None))) != {str(os.getpid())}

    @pytest.mark.parametrize(("fails", "status", "code"), [("is refused", 503, "database_busy"), ("is our mistake", 500, "internal")])
    def test_what_kept_it_from_being_written_is_told(self, crew: Crew, here: Here, fails: str, status: int, code: str) -> None:
        with pytest.raises(HttpProblem) as raised:
            crew.write(here, _errand(fails=fails), Turn(None))

        assert (raised.value.status, raised.value.code) == (status, code)
        assert _writers(crew.write(here, _errand(), Turn(None))) != {str(os.getpid())}


class TestLost:
    def test_what_was_not_written_there_is_written_here(self, crew: Crew, here: Here) -> None:
        turn: Turn[Any] = Turn(None)
        written = crew.write(here, _errand(fails="dies before its turn"), turn)

        assert _writers(written) == {str(os.getpid())}
        assert Turn(turn).wait()["by"] == os.getpid()

    def test_what_may_be_written_is_not_written_once_more_nor_told_as_written(self, crew: Crew, here: Here) -> None:
        turn: Turn[Any] = Turn(None)
        with pytest.raises(HttpProblem) as raised:
            crew.write(here, _errand(fails="dies in its turn"), turn)
        turn.close()

        assert (raised.value.status, raised.value.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "import_process_lost")
        raised.value.data["line"] = 7
        assert "line 7" in document_of(raised.value, request_id="")["detail"]
        with pytest.raises(Forsaken):
            Turn(turn).wait()

    def test_a_new_one_comes_in_its_place(self, crew: Crew, here: Here) -> None:
        crew._hands[0].process.kill()
        _wait_until(lambda: not crew._hands)
        assert _writers(crew.write(here, _errand(), Turn(None))) == {str(os.getpid())}

        crew.call_in(Writing(os.getpid()))
        _wait_until(lambda: bool(crew._free))
        assert _writers(crew.write(here, _errand(), Turn(None))) != {str(os.getpid())}


class TestCrew:
    def test_there_are_as_many_as_were_asked_for_and_two_never_have_the_same(self, config: Config, here: Here) -> None:
        crew = Crew(replace(config, import_processes=2))
        for _ in range(3):
            crew.call_in(Writing(os.getpid()))
        _wait_until(lambda: len(crew._free) == 2)
        first: Turn[Any] = Turn(None)
        found: list[set[str]] = []

        def write(turn: Turn[Any]) -> None:
            found.append(_writers(crew.write(here, _errand(), turn)))

        waiting = [threading.Thread(target=write, args=(Turn(first),)) for _ in range(3)]
        for thread in waiting:
            thread.start()
        _wait_until(lambda: not crew._free)
        first.leave(None)
        for thread in waiting:
            thread.join()
        pids = {str(one.process.pid) for one in crew._hands}
        crew.close()

        # The third found nobody free.
        assert len(pids) == 2
        assert set.union(*found) == pids | {str(os.getpid())}
        _wait_until(lambda: not crew._hands and not crew._count)

    def test_none_are_called_in_where_there_are_to_be_none(self, config: Config, here: Here) -> None:
        crew = Crew(replace(config, import_processes=0))
        crew.call_in(Writing(os.getpid()))

        assert not crew._count
        assert _writers(crew.write(here, _errand(), Turn(None))) == {str(os.getpid())}


class TestServe:
    def test_it_ends_where_there_was_nothing_to_do_for_long(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hand, "_IDLE_SECONDS", 0.1)
        monkeypatch.setattr(hand.collecting, "settle", lambda: None)
        ours, theirs = Pipe()
        thread = threading.Thread(target=hand.serve, args=(theirs,))
        thread.start()
        ours.send(hand.Beginning(config, Writing(os.getpid())))

        assert isinstance(ours.recv(), hand.Ready)
        thread.join(30)
        assert not thread.is_alive()
        ours.close()
        theirs.close()
