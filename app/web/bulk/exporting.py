"""An export: all rows of one moment, and the place in the feed from which to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from sqlalchemy import Connection, Row

from app.db.engines import Snapshot
from app.web import dump
from app.web.frame import runtime
from app.web.schemas import Schema
from app.web.streams.exporting import Rows

# Any: columns of rows, and JSON.

Read = Callable[[Snapshot], Iterator[Sequence[Row[Any]]]]


class _Rows:
    """The rows of an export; `close` ends its transaction."""

    def __init__(self, opened: ExitStack, snapshot: Snapshot, read: Read, show: dump.Dump) -> None:
        self._opened = opened
        self._snapshot = snapshot
        self._read = read
        self._show = show

    def __iter__(self) -> Iterator[dict[str, Any]]:
        show = self._show
        for block in self._read(self._snapshot):
            for row in block:
                yield show(row)

    def close(self) -> None:
        self._opened.close()


def rows(
    kind: type[Schema],
    names: tuple[str, ...] | None,
    read: Read,
    *,
    place: Callable[[Connection], tuple[int, str]],
    parts: Mapping[str, Sequence[str]] | None = None,
) -> Rows:
    """What `read` finds in a snapshot of its own, as `kind` shows it, cut down to `names`.

    `place`: the epoch of the feed, and what the transaction sees. `parts`: the columns that CSV has in place of one.
    """
    here = runtime()
    with ExitStack() as opened:
        snapshot = opened.enter_context(here.database.snapshot())
        with snapshot.watched():
            position = here.positions.text_of_snapshot(*place(snapshot.connection))
        found = _Rows(opened.pop_all(), snapshot, read, dump.selected(kind, names))
    columns = [column for name in names or tuple(kind._declared_fields) for column in (parts or {}).get(name, (name,))]
    return Rows(found, columns, {"Kehu-Position": position, "Kehu-Snapshot": "yes"})
