"""How statements are planned: for the values that they are sent with, where one plan for all values would be a bad one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import Connection

from app.db.engines import driver_connection, wire_of
from app.db.prepared import Prepared

# Any: column values.


@contextmanager
def for_values(db: Connection) -> Iterator[None]:
    """What the block sends is not prepared, and so planned each time for its values.

    What is prepared gets after five times one plan for any values where that seems no dearer: to count those of a country who are active
    it reads the table by an index and alone, in twice the time, since it expects one in thirty where it is every second.
    """
    driver = driver_connection(db)
    threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


class PlannedAnew(Prepared):
    """The same of a statement that the driver's library runs.

    A page of those with a frequent tag whose last order was in a certain time took twice as long by the plan for any values: of such a
    time it expects one in two hundred, of a tag as well, and so reads and sorts all who have the tag.
    """

    is_prepared = False


class Expected(NamedTuple):
    """What the planner makes of a statement and its values."""

    # In its own units; 0 where it does not know, as of distributed tables.
    cost: float
    # Whether the rows come from one index, in its order and from its beginning, and each is looked at by itself.
    is_walk: bool


def expected(db: Connection, statement: Prepared, values: Mapping[str, Any]) -> Expected:
    """How the planner would find what `statement` asks for with `values`."""
    wire = wire_of(db)
    told = wire.rows(wire.execute(_Explained(statement), statement.bound(values)))
    plan = told[0][0][0]["Plan"]
    return Expected(plan["Total Cost"], _is_walk(plan))


def _is_walk(plan: Mapping[str, Any]) -> bool:
    if plan["Node Type"] != "Limit":
        return False
    below = plan["Plans"][0]
    # What is looked up to show a row does not matter, what is looked up to find it does.
    return below["Node Type"] == "Index Scan" and "Index Cond" not in below and "SubPlan" not in below.get("Filter", "")


@dataclass(frozen=True, slots=True)
class _Explained:
    """The plan of a statement, which is not run."""

    of: Prepared
    is_prepared: ClassVar[bool] = False

    @property
    def sql(self) -> bytes:
        return b"EXPLAIN (FORMAT JSON) " + self.of.sql

    @property
    def types(self) -> Sequence[int]:
        return self.of.types
