"""Whether this process lives, and whether it can serve."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask, Response
from sqlalchemy import Connection

from app.core.errors import Unavailable
from app.db import failures, migrations
from app.db.engines import Database
from app.web import dump

# Shorter than any probe's own patience.
_SECONDS = 2.0


# Whether the database is one to write to, asked with the others; handed in by the factory, None where all is well, else a problem's code.
Ask = Callable[[Connection], str | None]


def install(app: Flask, database: Database, ask: Ask) -> None:
    def live() -> Response:
        """This process answers; says nothing of the database."""
        return _ok()

    def ready() -> Response:
        """The database answers and has at least the tables that this code expects."""
        try:
            with database.lease(time.monotonic() + _SECONDS) as connection:
                revision = migrations.stored_revision(connection)
                # Newer ones are no harm: the release before goes on while the next one's migrations are already there.
                if revision is None or revision < migrations.expected_revision():
                    raise Unavailable("migrations_missing")
                objection = ask(connection)
        except failures.DATABASE_ERRORS as error:
            raise Unavailable from error
        if objection is not None:
            raise Unavailable(objection)
        return _ok()

    app.add_url_rule("/livez", "livez", live)
    app.add_url_rule("/readyz", "readyz", ready)


def _ok() -> Response:
    return Response(dump.to_bytes({"status": "ok"}), mimetype="application/json", headers={"Cache-Control": "no-store"})
