"""Guards the lock files: every package pinned and hashed, and no address of wherever they were resolved."""

from __future__ import annotations

import re

import pytest

from tests.live import ROOT

LOCKS = ["requirements.lock", "requirements-dev.lock"]


@pytest.mark.parametrize("name", LOCKS)
class TestLocks:
    def test_no_address_is_in_it(self, name: str) -> None:
        text = (ROOT / name).read_text()

        assert "://" not in text
        assert not re.search(r"^\s*-[-if]?(index|extra|find|trusted)", text, re.MULTILINE)

    def test_every_package_is_pinned_and_hashed(self, name: str) -> None:
        entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())

        loose = [entry for entry in entries if not re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+", entry) or "--hash=sha256:" not in entry]

        assert len(entries) > 20
        assert loose == []


def test_what_the_tests_use_is_what_is_served() -> None:
    served, tested = ({line for line in (ROOT / name).read_text().splitlines() if "==" in line} for name in LOCKS)

    assert served - tested == set()
