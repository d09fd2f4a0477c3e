"""Puts one application together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from app.changes.positions import Positions
from app.config import Config
from app.core import logs
from app.customers import routes as customers
from app.db.engines import Database
from app.tokens import routes as tokens
from app.tokens.look_up import TokenLookUp
from app.web import api, converters, docs, edge, health, metrics, problems
from app.web.paging import Cursors

# What is mounted with each service; tokens belong to whoever keeps the customers.
_BLUEPRINTS = {"customers": (tokens.blp, customers.blp)}


def document() -> dict[str, Any]:
    """The OpenAPI document, with every service mounted; no database is asked."""
    config = Config(database_url="postgresql+psycopg://", data_dir=Path(), secret_key="of no use where nothing is signed")
    document: dict[str, Any] = create_app(config).extensions[docs.EXTENSION]
    return document


def create_app(config: Config) -> Flask:
    """One application over one database; several may live in one process, as tests do."""
    logs.configure()
    app = Flask("app", static_folder=None)
    database = Database(config)
    here = api.Runtime(
        config=config,
        database=database,
        look_up=TokenLookUp(database, config),
        position_text=Positions(config.secret_key).text,
        cursors=Cursors(config.secret_key),
    )
    edge.install(app)
    problems.install(app)
    converters.install(app)
    api.install(app, here)
    health.install(app, database)
    metrics.install(app, config.metrics_token)
    written = api.document_api(app, [blueprint for name in config.services for blueprint in _BLUEPRINTS[name]])
    docs.install(app, written)
    app.wsgi_app = edge.Edge(app.wsgi_app, edge.Admission(limit=config.threads - 1, wait=config.admission_wait))  # type: ignore[method-assign]
    return app
