"""Puts one application together."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Connection

from app.attributes import routes as attributes
from app.attributes.catalogue import AttributeNames
from app.changes import epoch, queries
from app.changes import routes as changes
from app.changes.positions import Positions
from app.config import Config
from app.contact_history import catalogue as entry_names
from app.contact_history import routes as contact_history
from app.contact_history import windows
from app.contact_history.bulk import routes as contact_history_in_bulk
from app.core import logs
from app.customers import catalogue as customer_names
from app.customers import routes as customers
from app.customers.bulk import routes as customers_in_bulk
from app.customers.models import Customer
from app.db import failures
from app.db.engines import Database
from app.idempotency.store import KeyStore
from app.rules import builtins
from app.rules.catalogue import Catalogue, Entries
from app.segments import catalogue as segment_names
from app.segments import measuring
from app.segments import member_routes as members
from app.segments import queries as segment_queries
from app.segments import routes as segments
from app.tokens import routes as tokens
from app.tokens.look_up import TokenLookUp
from app.web import api, converters, docs, edge, frame, health, metrics, problems
from app.web.application import Application
from app.web.paging import Cursors
from app.web.streams.crew import Crew

_MEASURE_SECONDS = 2.0

# What is mounted with each service; tokens, attributes and the feed go with the customers.
_BLUEPRINTS = {
    "customers": (tokens.blp, customers_in_bulk.blp, customers.blp, attributes.blp, changes.blp),
    "contact_history": (contact_history_in_bulk.blp, contact_history.blp),
    "segments": (segments.blp, members.blp),
}

_ATTRIBUTES = Entries(providers=(AttributeNames(Customer.attributes),))


def document() -> dict[str, Any]:
    """The OpenAPI document, with every service mounted; no database is asked."""
    config = Config(database_url="postgresql+psycopg://", data_dir=Path(), secret_key="of no use where nothing is signed")
    document: dict[str, Any] = create_app(config).extensions[docs.EXTENSION]
    return document


def create_app(config: Config) -> Flask:
    """One application over one database; several may live in one process, as tests do."""
    logs.configure()
    app = Application("app", static_folder=None)
    database = Database(config)
    here = frame.Runtime(
        config=config,
        database=database,
        look_up=TokenLookUp(database, config),
        positions=Positions(config.secret_key),
        cursors=Cursors(config.secret_key),
        keys=KeyStore(database),
        catalogues=catalogues(),
        attribute_uses=_attribute_uses,
        waiters=threading.Semaphore(config.threads // 4),
        streams=threading.Semaphore(config.streams),
        crew=Crew(config),
    )
    problems.install(app)
    converters.install(app)
    frame.install(app, here)
    health.install(app, database, lambda connection: "restored_unsaid" if epoch.is_behind_its_log(connection) else None)
    metrics.install(app, config.metrics_token, lambda: _measured(database))
    written = api.document_api(app, [blueprint for name in config.services for blueprint in _BLUEPRINTS[name]])
    docs.install(app, written)
    app.wsgi_app = edge.Edge(app.wsgi_app, edge.Admission(limit=config.requests, wait=config.admission_wait))  # type: ignore[method-assign]
    return app


def catalogues() -> Mapping[str, Catalogue]:
    """What rules may name, by the kind of row that they are about, whatever is mounted."""
    customers = Catalogue.of([builtins.ENTRIES, customer_names.entries(), windows.ENTRIES, _ATTRIBUTES])
    return {
        "customers": segment_names.with_segments(customers),
        "contact_history": Catalogue.of([builtins.ENTRIES, entry_names.entries()]),
    }


def _attribute_uses(db: Connection, attribute: str) -> list[Mapping[str, object]]:
    return [{"id": one.id, "name": one.name} for one in segment_queries.list_definitions_by_attribute(db, attribute)]


def _measured(database: Database) -> dict[str, tuple[str, float]]:
    """What only the database knows; nothing where it does not answer, and the figures of the processes are shown all the same."""
    try:
        with database.lease(time.monotonic() + _MEASURE_SECONDS) as connection:
            behind = queries.seconds_behind(connection)
            segments = measuring.measures(connection)
    except failures.DATABASE_ERRORS:
        return {"kehu_database_up": ("Whether the database answers", 0)}
    return {
        "kehu_database_up": ("Whether the database answers", 1),
        "kehu_feed_behind_seconds": (
            "Age of the oldest event that the feed does not show yet, since an older transaction is still running",
            behind,
        ),
        **segments,
    }
