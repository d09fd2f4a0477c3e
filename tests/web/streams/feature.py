"""A feature of no use, for streams without a database: it writes nothing, and fails or waits where its query says so."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from flask import Flask, Response
from flask.views import MethodView

from app.changes.positions import Positions
from app.config import Config
from app.core import limits, logs
from app.core.caller import Caller
from app.core.errors import Unavailable
from app.web import api, converters, docs, edge, fields, frame, problems
from app.web.application import Application
from app.web.schemas import QuerySchema, Schema
from app.web.streams.crew import Crew
from app.web.streams.exporting import Rows
from app.web.streams.lines import Applied, Apply, Line, LineResult, Means, Outcome
from app.web.streams.operations import Export, Import
from app.web.streams.schemas import ImportQuerySchema
from app.web.streams.turns import Turn

TOKEN = "kehu_of_the_tests"
ID = UUID("01890000-0000-7000-8000-000000000001")
# What was written, by the test's own process.
chunks: list[list[Line]] = []
keeps = True

blp = api.Blueprint("things", __name__, url_prefix="/v1/things", description="Things")


POSITIONS = Positions("of no use beyond these tests")


class PartSchema(Schema):
    name = fields.Line(100)


class ThingSchema(Schema):
    source = fields.Line(64, allow_none=True)
    external_id = fields.Line(255)
    name = fields.Line(255, allow_none=True)
    tags = fields.Items(fields.Line(64), most=100)
    parts = fields.Items(fields.Part(PartSchema), most=100)
    attributes = fields.Attributes()
    external_ids = fields.ExternalIds()
    count = fields.Whole()
    known = fields.Truth()


class ThingImportQuerySchema(ImportQuerySchema):
    pause = fields.Parsed(float, load_default=0.0)
    fails_at = fields.QueryWhole(load_default=0)
    breaks_at = fields.QueryWhole(load_default=0)


class ThingExportQuerySchema(QuerySchema):
    count = fields.QueryWhole(load_default=3)
    fails_at = fields.QueryWhole(load_default=-1)
    name = fields.Line(255, load_default="thing")


@blp.route("/import")
class Imported(MethodView):
    @blp.imports("import_things", scope="customers:write", line=ThingSchema, query=ThingImportQuerySchema)
    def post(self, call: Import, query: dict[str, Any]) -> Apply:
        """Import things"""

        return _Apply(query)


class _Apply:
    def __init__(self, query: dict[str, Any]) -> None:
        self._query = query

    def __call__(self, here: Means, lines: Sequence[Line], turn: Turn[Any], /, *, report_all: bool) -> Applied:
        turn.wait()
        time.sleep(self._query["pause"])
        numbers = [line.number for line in lines]
        if self._query["fails_at"] in numbers:
            raise Unavailable
        if self._query["breaks_at"] in numbers:
            raise RuntimeError("a mistake of ours")
        if keeps:
            chunks.append(list(lines))
        turn.leave(None)
        results = [_result(line) for line in lines] if report_all else []
        return Applied(Counter({Outcome.CREATED: len(lines)}), results, (1, 1, lines[-1].number))


def _result(line: Line) -> LineResult:
    assert line.data is not None
    return LineResult(line.number, Outcome.CREATED, 201, line.data.get("source"), line.data.get("external_id"), ID, 1)


@blp.route("/export")
class Exported(MethodView):
    @blp.exports("export_things", scope="customers:read", row=ThingSchema, query=ThingExportQuerySchema)
    def get(self, call: Export, query: dict[str, Any]) -> Rows:
        """Export things"""

        def blocks() -> Iterator[list[str]]:
            block: list[str] = []
            for number in range(query["count"]):
                if number == query["fails_at"]:
                    raise Unavailable
                row = {
                    "id": ID,
                    "name": query["name"],
                    "count": number,
                    "tags": ["a", "b"],
                    "attributes": {"x": "=1", "y": True},
                    "none": None,
                }
                block.append(orjson.dumps(row).decode())
                if len(block) == 500:
                    yield block
                    block = []
            yield block

        columns = ["id", "name", "count", "tags", "attributes", "attributes.x", "none"]
        return Rows(blocks(), columns, {"Kehu-Position": "here", "Kehu-Snapshot": "yes"})


def create_app(*, threads: int = 4, stream_timeout: float = 30.0) -> Flask:
    logs.configure()
    app = Application("things", static_folder=None)
    config = Config(
        database_url="postgresql+psycopg://",
        data_dir=Path(),
        secret_key="of no use",
        threads=threads,
        stream_timeout=stream_timeout,
    )
    here = frame.Runtime(
        config=config,
        database=None,  # type: ignore[arg-type]  # nothing asks it
        look_up=_look_up,
        positions=POSITIONS,
        cursors=None,  # type: ignore[arg-type]  # as above
        keys=None,  # type: ignore[arg-type]  # as above
        waiters=threading.Semaphore(1),
        crew=Crew(config),
        streams=threading.Semaphore(max(1, threads // 2)),
        catalogues={},
        attribute_uses=lambda _, __: [],
    )
    problems.install(app)
    converters.install(app)
    frame.install(app, here)
    app.add_url_rule("/livez", "livez", lambda: Response("{}", mimetype="application/json"))
    docs.install(app, api.document_api(app, [blp]))
    app.wsgi_app = edge.Edge(app.wsgi_app, edge.Admission(limit=threads - 1, wait=1.0))  # type: ignore[method-assign]
    return app


def _look_up(token: str, request_id: str) -> Caller | None:
    scopes = {TOKEN: frozenset("*"), f"{TOKEN}_read": frozenset(("customers:read",))}.get(token)
    return Caller(None, "tests", scopes, request_id) if scopes is not None else None


def served() -> Flask:
    """As gunicorn serves it."""
    global keeps
    # Its memory is measured.
    keeps = False
    limits.STALLED_READER_SECONDS = float(os.environ.get("THINGS_PATIENCE", "60"))
    config = Config.from_env()
    return create_app(threads=config.threads, stream_timeout=config.stream_timeout)
