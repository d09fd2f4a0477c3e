"""Units of work over an application's database."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from flask import Flask

from app.db import unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork

T = TypeVar("T")


def of(app: Flask) -> Database:
    found: Database = app.extensions["kehu"].database
    return found


def run(here: Database, work: Callable[[UnitOfWork], T]) -> T:
    return unit_of_work.run(here, time.monotonic() + 10, work)
