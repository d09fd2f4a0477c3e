"""Customers as an export shows them: all of one moment, and the place in the feed from which to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from app.changes import queries as change_queries
from app.customers import listing
from app.customers.listing import CustomerFilter, Ruled
from app.customers.schemas import CustomerMetricsSchema, CustomerSchema
from app.db.engines import Snapshot
from app.rules import reading
from app.web import dump
from app.web.frame import runtime
from app.web.streams.exporting import Rows

# Any: what the schemas load, and JSON.

_METRICS = tuple(f"metrics.{name}" for name in CustomerMetricsSchema._declared_fields)


class _Customers:
    """The rows of an export; `close` ends its transaction."""

    def __init__(self, opened: ExitStack, snapshot: Snapshot, narrowed: CustomerFilter, show: dump.Dump) -> None:
        self._opened = opened
        self._snapshot = snapshot
        self._narrowed = narrowed
        self._show = show

    def __iter__(self) -> Iterator[dict[str, Any]]:
        show = self._show
        for block in listing.stream_customers(self._snapshot, narrowed=self._narrowed):
            for row in block:
                yield show(row)

    def close(self) -> None:
        self._opened.close()


def rows(query: Mapping[str, Any]) -> Rows:
    """What `query` finds, in a snapshot of its own. Raises Invalid where its rule is not sound."""
    here = runtime()
    text, pointer = query["filter"], "query.filter"
    ruled = None if text is None else Ruled(reading.parse_text(text, pointer=pointer), pointer, here.catalogues["customers"])
    with ExitStack() as opened:
        snapshot = opened.enter_context(here.database.snapshot())
        with snapshot.watched():
            position = here.positions.text_of_snapshot(*change_queries.get_snapshot(snapshot.connection))
            narrowed = listing.narrowed(snapshot.connection, query, ruled)
        found = _Customers(opened.pop_all(), snapshot, narrowed, dump.selected(CustomerSchema, query["fields_"]))
    return Rows(found, _columns(query["fields_"]), {"Kehu-Position": position, "Kehu-Snapshot": "yes"})


def _columns(names: tuple[str, ...] | None) -> list[str]:
    shown = names or tuple(CustomerSchema._declared_fields)
    return [column for name in shown for column in (_METRICS if name == "metrics" else (name,))]
