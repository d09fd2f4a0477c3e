"""An export: all rows of one moment, and the place in the feed from which to go on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any

from sqlalchemy import Connection, Row

from app.db.engines import Snapshot
from app.web.frame import runtime
from app.web.schemas import Schema
from app.web.streams.exporting import Rows

# Any: columns of rows, and JSON.

Read = Callable[[Snapshot], Generator[Sequence[Row[Any]], None, None]]


class _Blocks:
    """The rows of an export as JSON, some at a time; `close` closes the cursor, then the transaction that it is of."""

    def __init__(self, opened: ExitStack, blocks: Iterator[Sequence[Row[Any]]]) -> None:
        self._opened = opened
        self._blocks = blocks

    def __iter__(self) -> Iterator[Sequence[str]]:
        for block in self._blocks:
            yield [row[0] for row in block]

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
    """What `read` finds in a snapshot of its own: rows of one column, the JSON of `kind` cut down to `names`.

    `place`: the epoch of the feed, and what the transaction sees. `parts`: the columns that CSV has in place of one.
    """
    here = runtime()
    with ExitStack() as opened:
        snapshot = opened.enter_context(here.database.snapshot())
        with snapshot.watched():
            position = here.positions.text_of_snapshot(*place(snapshot.connection))
        blocks = opened.enter_context(closing(read(snapshot)))
        found = _Blocks(opened.pop_all(), blocks)
    columns = [column for name in names or tuple(kind._declared_fields) for column in (parts or {}).get(name, (name,))]
    return Rows(found, columns, {"Kehu-Position": position, "Kehu-Snapshot": "yes"})
