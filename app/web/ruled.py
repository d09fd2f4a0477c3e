"""Lists that a rule may narrow: how it is read from a query or a body, and how their pages go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.rules import printing, reading
from app.rules.narrowing import Narrowing, Ruled
from app.rules.tree import Condition
from app.web import dump, paging
from app.web.answers import Answer
from app.web.frame import Read, runtime

# Any: what the schemas load, and columns of rows.


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page is asked for: `after` is the sort value and the id behind which it begins, `prefix` begins the pointers to `query`."""

    query: Mapping[str, Any]
    prefix: str
    ruled: Ruled | None
    after: tuple[Any, UUID] | None

    @property
    def names(self) -> tuple[str, ...] | None:
        """The fields that are wanted; None: all."""
        chosen = self.query["fields_"]
        return None if chosen is None else tuple(dict.fromkeys(["id", *chosen]))


def by_query(call: Read, query: Mapping[str, Any], *, of: str) -> Asked:
    """A list of the rows `of` a kind, its rule as text. Raises Invalid, and BadCursor."""
    return _asked(call, query, _text(query), "query.", of)


def by_body(call: Read, body: Mapping[str, Any], *, of: str) -> Asked:
    """The same, its rule as JSON."""
    rule = None if body["filter"] is None else reading.parse_json(body["filter"], pointer="/filter")
    return _asked(call, body, rule, "/", of)


def for_export(query: Mapping[str, Any], *, of: str) -> Ruled | None:
    """The rule of an export. Raises Invalid."""
    rule = _text(query)
    return None if rule is None else Ruled(rule, "query.filter", runtime().catalogues[of])


def page(call: Read, asked: Asked, rows: Sequence[Any], *, rule: Narrowing | None, sort: str, total: int | None) -> Answer:
    """A walk over pages is one evaluation: the cursor carries the moment of the first page, beside the column `sort` and the id."""
    now = None if rule is None else rule.now
    return paging.answer(
        rows,
        cursors=runtime().cursors,
        caller=call.caller,
        query=asked.query,
        dump=dump.written,
        key=lambda row: (getattr(row, sort), row.id, now),
        total=total,
    )


def _text(query: Mapping[str, Any]) -> Condition | None:
    return None if query["filter"] is None else reading.parse_text(query["filter"], pointer="query.filter")


def _asked(call: Read, query: Mapping[str, Any], rule: Condition | None, prefix: str, of: str) -> Asked:
    here = runtime()
    # Its text, whichever form it was sent in: what the cursor belongs to.
    query = {**query, "filter": None if rule is None else printing.text(rule)}
    after = here.cursors.read(query, call.caller)
    ruled = None if rule is None else Ruled(rule, f"{prefix}filter", here.catalogues[of], now=after[2] if after else None)
    return Asked(query, prefix, ruled, None if after is None else (after[0], after[1]))
