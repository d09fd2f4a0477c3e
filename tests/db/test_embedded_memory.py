"""The memory of the embedded server follows that of the machine or of the container."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.db import embedded_memory

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("memory", "taken"),
    [(256, 128), (1024, 128), (2048, 256), (4096, 512), (8192, 1024), (262_144, 1024)],
)
def test_an_eighth_is_taken_but_neither_too_little_nor_too_much(memory: int, taken: int) -> None:
    assert embedded_memory.buffers(memory * MB) == taken * MB


@pytest.mark.parametrize(("limit", "found"), [("536870912\n", 536_870_912), ("max\n", None), ("", None), ("9223372036854771712", None)])
def test_the_limit_of_a_container_counts_where_it_is_less(tmp_path: Path, limit: str, found: int | None) -> None:
    said = tmp_path / "memory.max"
    said.write_text(limit)
    whole = embedded_memory.available([tmp_path / "absent"])

    assert embedded_memory.available([tmp_path / "absent", said]) == (found or whole)
    assert whole > 100 * MB
