"""The command line: `kehu serve`, `tokens`, `import` and the others; a command a file, and no rule of the service in any of them."""

from __future__ import annotations

import click

from app.cli.exporting import export as export_command
from app.cli.importing import check as check_command
from app.cli.importing import import_ as import_command

# Under other names than their files: `app.cli.serve` has to stay the module.
from app.cli.metrics import metrics as metrics_command
from app.cli.migrate import migrate as migrate_command
from app.cli.openapi import openapi as openapi_command
from app.cli.restored import restored as restored_command
from app.cli.serve import serve as serve_command
from app.cli.tokens import tokens as tokens_command
from app.cli.worker import worker as worker_command
from app.config import ConfigError
from app.db.embedded import EmbeddedPostgresError
from app.db.migrations import MigrationError


class _Group(click.Group):
    """Tells what the person at the terminal can put right in a sentence, exit code 2; anything else is ours, with a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (ConfigError, EmbeddedPostgresError, MigrationError) as error:
            click.echo(f"kehu: {error}", err=True)
            ctx.exit(2)


@click.group(name="kehu", cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Kehu, a headless customer information service."""


main.add_command(serve_command)
main.add_command(worker_command)
main.add_command(migrate_command)
main.add_command(tokens_command)
main.add_command(openapi_command)
main.add_command(restored_command)
main.add_command(metrics_command)
main.add_command(import_command)
main.add_command(check_command)
main.add_command(export_command)
