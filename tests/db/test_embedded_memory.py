"""The memory of the embedded server follows that of the machine, or of the container or service."""

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


class TestAvailable:
    @pytest.fixture
    def tree(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Groups of which the second version tells below `v2` and the first below `v1`; we are in `a/b` of both."""
        (tmp_path / "cgroup").write_text("5:cpu,cpuacct:/\n4:memory:/a/b\n1:name=systemd:/a:b\n0::/a/b\n")
        for version in ("v1", "v2"):
            (tmp_path / version / "a" / "b").mkdir(parents=True)
        monkeypatch.setattr(embedded_memory, "_GROUPS", tmp_path / "cgroup")
        trees = {"": (tmp_path / "v2", "memory.max"), "memory": (tmp_path / "v1", "memory.limit_in_bytes")}
        monkeypatch.setattr(embedded_memory, "_TREES", trees)
        return tmp_path

    @pytest.mark.parametrize(
        "limit", ["v2/memory.max", "v2/a/memory.max", "v2/a/b/memory.max", "v1/a/memory.limit_in_bytes", "v1/memory.limit_in_bytes"]
    )
    def test_the_least_of_all_groups_around_counts(self, tree: Path, limit: str) -> None:
        (tree / "v2" / "memory.max").write_text("536870913\n")
        (tree / limit).write_text("536870912\n")

        assert embedded_memory.available() == 536_870_912

    @pytest.mark.parametrize("said", ["max\n", "", "9223372036854771712\n"])
    def test_no_limit_is_none(self, tree: Path, said: str) -> None:
        (tree / "v2" / "a" / "memory.max").write_text(said)
        (tree / "memory.max").write_text("1\n")

        assert embedded_memory.available() > 100 * MB

    def test_a_system_without_groups_has_what_it_has(self, tree: Path) -> None:
        (tree / "cgroup").unlink()
        (tree / "v2" / "memory.max").write_text("1\n")

        assert embedded_memory.available() > 100 * MB
