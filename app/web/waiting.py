"""Waiting for something to happen, for callers who ask for it: without a connection, and for a quarter of the threads at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.web import context
from app.web.answers import Answer

# Often enough that a waiter hears of a change within a second.
_PAUSE_SECONDS = 0.4


def ask_until_there(ask: Callable[[], Answer], *, seconds: float, places: threading.Semaphore) -> Answer:
    """What `ask` answers, asked again for `seconds` while it has nothing yet. Where all places are taken: what there is, at once."""
    result = ask()
    if not result.nothing_yet or seconds <= 0 or not places.acquire(blocking=False):
        return result
    about = context.current()
    until = time.monotonic() + seconds
    try:
        while result.nothing_yet and (left := until - time.monotonic()) > 0:
            pause = min(_PAUSE_SECONDS, left)
            time.sleep(pause)
            about.waited += pause
            result = ask()
    finally:
        places.release()
    return result
