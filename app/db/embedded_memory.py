"""How much of the machine's memory the embedded server takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_MB = 1024 * 1024
# The server is not alone on its machine. An import of interactions wrote 3,900 a second with the 128 MB that PostgreSQL takes by itself,
# and 5,100 with a gigabyte.
_SHARE = 8
_LEAST = 128 * _MB
_MOST = 1024 * _MB
# Where control groups say what a container or a service may take: by the second version of them, and by the first.
_GROUPS = Path("/proc/self/cgroup")
_TREES = {"": (Path("/sys/fs/cgroup"), "memory.max"), "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")}


def settings() -> Mapping[str, str]:
    """PostgreSQL's settings for what there is. Linux gives out memory as it is used, unless it is told to promise no more than it has."""
    return {
        "shared_buffers": f"{buffers(available()) // _MB}MB",
        # Room for a log of so much between two checkpoints, as each page that changes after one goes there whole. Given back by and by.
        "max_wal_size": "2GB",
    }


def buffers(memory: int) -> int:
    """Of so much memory, in bytes."""
    return max(_LEAST, min(_MOST, memory // _SHARE))


def available() -> int:
    """What the machine has, or the control group that we are in where that is less, in bytes."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in _limits():
        # It may not be there, or say `max`.
        with suppress(OSError, ValueError):
            found.append(int(limit.read_text()))
    return min(found)


def _limits() -> Iterator[Path]:
    """The files with the limits of our group and of those around it. Of a container, which often sees itself as the root, the last is its
    own."""
    try:
        groups = _GROUPS.read_text().splitlines()
    except OSError:
        # Another system.
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in _TREES:
                root, name = _TREES[controller]
                here = root / path.lstrip("/")
                yield from (group / name for group in (here, *here.parents) if group.is_relative_to(root))
