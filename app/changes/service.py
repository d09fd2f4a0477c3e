"""Following the log from a position on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.changes import catalogue, queries
from app.changes.positions import Place
from app.core.caller import Caller
from app.core.errors import BadPosition, LostPosition

# Events looked at by one statement: some milliseconds, wherever in the log.
_WINDOW = 2_000
# A page of a rare type is looked for so long; then the caller gets what there is, and the place to go on from.
_SECONDS = 1.0
_BEGINNING = (0, 0)
# From where to read everything again.
_RESTART = "/v1/changes"


@dataclass(frozen=True, slots=True)
class Followed:
    """Events behind a position, and the place from which to go on. `whole`: there are no more at present."""

    events: Sequence[Sequence[Any]]  # Any: the columns of the log's queries
    next_position: Place
    whole: bool


def follow(
    db: Connection, caller: Caller, *, after: Place | None, patterns: Sequence[str] | None, subject: str | None, count: int
) -> Followed:
    """At most `count` events behind `after` (None: from the first one on) that the caller may see, in the feed's order.

    The order is total, and for each subject that of its versions. Raises BadPosition where `after` is from the future, LostPosition where
    it is of the database's life before a restore.
    """
    types = catalogue.visible(caller, patterns)
    place = (after.xid, after.id) if after is not None else _BEGINNING
    snapshot = after.snapshot if after is not None else None
    events: list[Sequence[Any]] = []
    until = time.monotonic() + _SECONDS
    while True:
        wanted = count - len(events)
        # Where every event is wanted, no more are looked at than are shown.
        window = wanted if types is None and snapshot is None else max(_WINDOW, wanted)
        page = queries.read_feed(db, after=place, types=types, subject=subject, snapshot=snapshot, count=wanted, window=window)
        if after is not None:
            _check(after, page)
        events.extend(page.events)
        place = page.last or place
        if page.whole or len(events) == count or time.monotonic() > until:
            return Followed(events, Place(page.epoch, *place, snapshot=_still_needed(snapshot, place[0])), page.whole)


def _still_needed(snapshot: str | None, xid: int) -> str | None:
    """None from where on nothing is left that the snapshot could have seen."""
    if snapshot is None:
        return None
    first_not_begun = int(snapshot.split(":")[1])
    return snapshot if xid < first_not_begun else None


def _check(after: Place, page: queries.FeedPage) -> None:
    if after.epoch < page.epoch:
        raise LostPosition(restart=_RESTART)
    if after.epoch > page.epoch or after.xid >= page.xmax:
        raise BadPosition
