"""How statements are planned: for the values that they are sent with, where one plan for all values would be a bad one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from app.db.engines import driver_connection


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
