"""What gunicorn serves as a floor: a Flask app of one route. `KEHU_BENCH_FLOOR` names it."""

from __future__ import annotations

import os
import threading
from typing import Any

import psycopg
from flask import Flask, Response, request

from bench.floors import reads, writes
from bench.floors.floor import Floor, connect

# Any: psycopg's rows.

FLOORS: dict[str, Floor] = {**reads.FLOORS, **writes.FLOORS}

_floor = FLOORS[os.environ["KEHU_BENCH_FLOOR"]]
_url = os.environ["KEHU_BENCH_URL"]
_own = threading.local()

app = Flask(__name__)


def _connection() -> psycopg.Connection[Any]:
    """A connection for each thread, and no pool."""
    try:
        found: psycopg.Connection[Any] = _own.connection
    except AttributeError:
        found = _own.connection = connect(_url)
    return found


@app.route(_floor.rule, methods=[_floor.method])
def answer(**parts: str) -> Response:
    given = {**parts, **request.args} if request.query_string else parts
    return Response(_floor.answer(_connection(), given, request.get_data(cache=False)), _floor.status, mimetype="application/json")
