"""Lets a process end when its parent does, however the parent ended: Linux's PR_SET_PDEATHSIG; elsewhere nothing happens."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: the child of a fork must not import or allocate more than it has to.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def follow(parent: int, number: signal.Signals) -> None:
    """Sends `number` to the calling process when `parent`, its parent, ends; at once where it has ended already.

    The kernel forgets this at a change of the user id, and follows the thread that forked, not the process.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def in_child(number: signal.Signals) -> Callable[[], None] | None:
    """A `preexec_fn` that ties a child to this process; None where a tie is not possible.

    A child forked by a thread other than the main one would get its signal as soon as that thread ends.
    """
    if _LIBC is None or threading.current_thread() is not threading.main_thread():
        return None
    parent = os.getpid()
    return lambda: follow(parent, number)
