"""Runs the migrations for `app.db.migrations`, or for the `alembic` command with a database named by KEHU_DATABASE_URL."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

import app.attributes.models
import app.changes.models
import app.contact_history.models
import app.customers.models
import app.idempotency.models
import app.segments.models
import app.tokens.models  # noqa: F401  each import puts its tables into the metadata
from app.db.base import Base

# Any number, so long as it is only ours: two processes that start together take turns.
ADVISORY_LOCK = 0x6B656875

# A migration that waits for a lock makes every later statement wait behind it, so it gives up early; what it does itself may take long.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"


def migrate(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    try:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


def online() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    engine = create_engine(os.environ["KEHU_DATABASE_URL"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        migrate(connection)


online()
