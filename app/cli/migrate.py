"""`kehu migrate`: brings the database to the tables that this version expects."""

from __future__ import annotations

from contextlib import nullcontext

import click

from app.config import Config
from app.db import embedded, migrations


@click.command()
def migrate() -> None:
    """Bring the database's tables up to this version."""
    config = Config.from_env()
    database = embedded.running(config) if config.database_url is None else nullcontext(config.database_url)
    with database as url:
        migrations.upgrade(url, config)
    click.echo("The database is up to date.")
