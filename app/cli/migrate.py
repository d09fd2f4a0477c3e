"""`kehu migrate`: brings the database to the tables that this version expects."""

from __future__ import annotations

import click

from app.attributes import indexing
from app.changes import epoch
from app.cli import instance
from app.config import Config
from app.db import migrations


@click.command()
def migrate() -> None:
    """Bring the database's tables up to this version."""
    config = Config.from_env()
    with instance.url(config) as url:
        upgrade(url, config)
    click.echo("The database is up to date.")


def upgrade(url: str, config: Config) -> None:
    """Run the migrations, and begin a new life of the feed where the data has come to another server."""
    migrations.upgrade(url, config)
    with migrations.plain_connection(url, config) as connection:
        moved = epoch.begin_where_moved(connection)
        connection.commit()
    # Those that were broken off, by a crash say.
    indexing.reconcile(url, config)
    if moved:
        click.echo("The data lies on another server than before: a new life of the feed has begun.", err=True)
