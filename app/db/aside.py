"""Statements that run while whoever sent them goes on computing: a connection that waits for its database needs no processor of ours."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType


class Aside:
    """One piece of work at a time in a thread of its own, all of them over before `with` is left."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
        # What went wrong first is what is told.
        if error is None:
            self.wait()

    def begin(self, work: Callable[[], None]) -> None:
        """Do `work` while the caller does something else, once what was begun before is over. Raises what that raised."""
        self.wait()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="aside")
        # With what logs say of the request.
        self._under_way = self._pool.submit(copy_context().run, work)

    def wait(self) -> None:
        """Until nothing is under way; to be called before the connection is used otherwise. Raises what the work raised."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()
