"""What all of one evaluation of a rule has in common: its moment, and how many rows are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, bindparam, literal

from app.db.columns import Timestamp

_KEPT_FOR = timedelta(days=3_660)


class Reach(Enum):
    """How many rows are asked for: what is right for all of a large table is slow for a page of it, and the other way round."""

    # A page, one row, or those that other conditions leave.
    SOME = "some"
    # Every row of the table, and nothing else narrows them.
    ALL = "all"
    # As `SOME`, and what is made once for all rows is not looked up for each, whatever else narrows them: for a page of the few of a large
    # table that match. Whether they are few, the planner has to be asked.
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all of one evaluation has in common."""

    # `now()`.
    now: datetime
    reach: Reach = Reach.SOME
    # Where the condition is kept for other moments: the names of the places for times, by how long they are before the moment.
    moments: dict[timedelta, str] | None = None

    def ago(self, time: timedelta = timedelta()) -> ColumnElement[Any]:  # Any: a time, whatever it is compared with
        """The moment that is `time` before now. Raises OverflowError before the year 1 and after the year 9999."""
        moment = self.now - time
        if self.moments is None:
            return literal(moment, Timestamp)
        # Nor may it come to that for as long as the condition is kept.
        _ = moment + _KEPT_FOR
        return bindparam(self.moments.setdefault(time, f"moment_{len(self.moments)}"), type_=Timestamp)
