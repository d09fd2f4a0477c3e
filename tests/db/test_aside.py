"""Protects that what runs aside is over, and has told what went wrong, before its transaction ends."""

from __future__ import annotations

import threading
import time

import pytest

from app.db.aside import Aside


def _fail() -> None:
    raise OSError("aside")


class TestAside:
    def test_work_goes_on_beside_and_is_over_in_the_end(self) -> None:
        order: list[str] = []
        go = threading.Event()

        def work() -> None:
            go.wait(5)
            order.append("aside")

        with Aside() as aside:
            aside.begin(work)
            order.append("meanwhile")
            go.set()

        assert order == ["meanwhile", "aside"]

    def test_one_at_a_time(self) -> None:
        running: list[int] = []
        most: list[int] = []

        def work() -> None:
            running.append(1)
            most.append(len(running))
            time.sleep(0.01)
            running.pop()

        with Aside() as aside:
            for _ in range(5):
                aside.begin(work)

        assert most == [1] * 5

    def test_what_it_raised_is_raised_once_where_it_is_waited_for(self) -> None:
        with Aside() as aside:
            aside.begin(_fail)

            with pytest.raises(OSError, match="aside"):
                aside.wait()

            aside.wait()

    def test_what_nobody_waited_for_is_raised_in_the_end(self) -> None:
        with pytest.raises(OSError, match="aside"), Aside() as aside:
            aside.begin(_fail)

    def test_what_went_wrong_first_is_told(self) -> None:
        def both() -> None:
            with Aside() as aside:
                aside.begin(_fail)
                raise ValueError("first")

        with pytest.raises(ValueError, match="first"):
            both()
