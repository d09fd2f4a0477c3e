"""Guards the shape of the source: files that fit on a few screens, each saying what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.live import ROOT

LINES_MAX = 350


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


class TestFiles:
    def test_no_file_is_too_long_to_be_read_at_once(self) -> None:
        lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources("app", "migrations")}

        assert {path: length for path, length in lengths.items() if length > LINES_MAX} == {}

    def test_every_file_says_in_its_first_line_what_it_is_for(self) -> None:
        silent = []
        for path in sources("app", "tests", "migrations"):
            text = path.read_text()
            if text and not ast.get_docstring(ast.parse(text)):
                silent.append(str(path.relative_to(ROOT)))

        assert silent == []

    def test_nothing_is_called_after_nothing(self) -> None:
        vague = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "base_utils.py"}

        assert [str(path) for path in sources("app") if path.name in vague] == []

    def test_nothing_is_left_to_do_without_the_number_of_an_issue(self) -> None:
        marks = [f"{word}" for word in ("TO" + "DO", "FIX" + "ME", "X" * 3)]
        left = [
            f"{path.relative_to(ROOT)}:{number}"
            for path in sources("app", "tests", "migrations")
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if any(mark in line.split() or f"{mark}:" in line for mark in marks) and "#" + "issue" not in line
        ]

        assert left == []
