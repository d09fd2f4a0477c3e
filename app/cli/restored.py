"""`kehu restored`: to be said after the database was restored from a backup."""

from __future__ import annotations

import click

from app.changes import epoch
from app.cli import instance
from app.config import Config
from app.db import migrations


@click.command()
def restored() -> None:
    """Say that the database was restored: run it once, before the service is started again.

    Positions in the feed that were given before are refused from then on (410), and their holders read everything again. Stop all
    processes of Kehu first.
    """
    config = Config.from_env()
    with instance.url(config) as url, migrations.plain_connection(url, config) as connection:
        epoch.begin(connection)
        connection.commit()
    click.echo("A new life of the database has begun; clients read the feed from its beginning.")
