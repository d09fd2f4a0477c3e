"""Protects that ids are UUIDv7, never twice the same, and never step back within a process."""

import os
import pickle
import threading
import time
from uuid import RFC_4122, UUID

import pytest

from app.core import ids
from app.core.ids import ids_by_the_hundred, new_id


def test_an_id_is_a_uuid_of_version_seven() -> None:
    made = new_id()

    assert made.version == 7
    assert made.variant == RFC_4122
    assert UUID(str(made)) == made


def test_an_id_begins_with_the_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000

    made = new_id()

    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_ids_of_eight_threads_are_distinct_and_increase_in_each() -> None:
    made: list[list[UUID]] = [[] for _ in range(8)]

    def work(mine: list[UUID]) -> None:
        mine.extend(new_id() for _ in range(100_000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    numbers = [[made_id.int for made_id in mine] for mine in made]
    assert all(mine == sorted(mine) for mine in numbers)
    assert len({number for mine in numbers for number in mine}) == 800_000


def test_ids_increase_within_one_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    generator = ids._Generator()

    made = [generator.next() for _ in range(10_000)]

    assert made == sorted(set(made))
    assert {one.int >> 80 for one in made} == {1_700_000_000_000}


def test_ids_increase_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1_700_000_000_000, 1_699_999_000_000, 1_600_000_000_000, 1_700_000_000_001])
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(clock) * 1_000_000)
    generator = ids._Generator()

    made = [generator.next() for _ in range(4)]

    assert made == sorted(set(made))


def test_ids_increase_when_the_counter_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    generator = ids._Generator()
    generator.next()
    generator._last |= ((1 << 30) - 2) << 32

    made = [generator.next() for _ in range(3)]

    assert made == sorted(set(made))
    assert all(one.version == 7 and one.variant == RFC_4122 for one in made)


def test_several_ids_increase_among_each_other_and_with_single_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    generator = ids._Generator()

    made = [generator.next(), *generator.several(5_000), generator.next(), *generator.several(1), generator.next()]

    assert made == sorted(set(made))
    assert len({one.int & 0xFFFF_FFFF for one in made}) > 4_900


@pytest.mark.parametrize("left", [0, 1, 2, 9, 10, 11])
def test_several_ids_increase_when_the_counter_overflows(monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    generator = ids._Generator()
    first = generator.next()
    generator._last = generator._last & ~(((1 << 30) - 1) << 32) | ((1 << 30) - 1 - left) << 32

    made = [first, *generator.several(10), generator.next()]

    assert made == sorted(set(made))
    assert all(one.version == 7 and one.variant == RFC_4122 for one in made)


def test_an_id_is_what_its_number_makes() -> None:
    made = new_id()

    same = UUID(int=made.int)
    assert (made, hash(made), str(made), made.is_safe) == (same, hash(same), str(same), same.is_safe)
    assert pickle.loads(pickle.dumps(made)) == same


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_forked_children_make_distinct_ids() -> None:
    new_id()

    children = [_ids_of_a_child(1_000) for _ in range(4)]
    own = [str(new_id()) for _ in range(1_000)]

    tails = [{one[-8:] for one in made} for made in (*children, own)]
    assert len({one for made in (*children, own) for one in made}) == 5_000
    assert all(len(first & second) < 10 for at, first in enumerate(tails) for second in tails[at + 1 :])


def _ids_of_a_child(count: int) -> list[str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w") as out:
            out.write("\n".join(str(new_id()) for _ in range(count)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        made = lines.read().split("\n")
    os.waitpid(child, 0)
    return made


def test_ids_by_the_hundred_increase_without_end_and_with_single_ones() -> None:
    endless = ids_by_the_hundred()

    made = [new_id(), *(next(endless) for _ in range(250))]

    assert made == sorted(set(made))
    assert all(one.version == 7 and one.variant == RFC_4122 for one in made)
    assert new_id() > made[-1]
