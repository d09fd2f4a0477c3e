"""How much of the machine's memory the embedded server takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_MB = 1024 * 1024
# The server is not alone on its machine. An import of interactions wrote 3,900 a second with the 128 MB that PostgreSQL takes by itself,
# and 5,100 with a gigabyte.
_SHARE = 8
_LEAST = 128 * _MB
_MOST = 1024 * _MB
# What a container may take, by the second and the first version of control groups; of other systems neither is there.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def settings() -> Mapping[str, str]:
    """PostgreSQL's settings for what there is: its own memory is taken from the system as it is used, and not before."""
    return {
        "shared_buffers": f"{buffers(available()) // _MB}MB",
        # Room for a log of so much between two checkpoints, as each page that changes after one goes there whole. Given back by and by.
        "max_wal_size": "2GB",
    }


def buffers(memory: int) -> int:
    """Of so much memory, in bytes."""
    return max(_LEAST, min(_MOST, memory // _SHARE))


def available(limits: Iterable[Path] = _LIMITS) -> int:
    """What the machine has, or the container where that is less, in bytes."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in limits:
        try:
            found.append(int(limit.read_text()))
        except (OSError, ValueError):
            # Not there, or `max`.
            continue
    return min(found)
