"""`kehu openapi`: the document as a file."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from app import factory

_FILE = Path(__file__).resolve().parents[2] / "openapi" / "openapi.json"


@click.command()
@click.option("--write", is_flag=True, help="Write openapi/openapi.json instead of printing.")
def openapi(write: bool) -> None:
    """Print the OpenAPI document of this version."""
    if write:
        _FILE.write_bytes(written())
        click.echo(f"{_FILE} is written.")
    else:
        click.echo(written().decode(), nl=False)


def written() -> bytes:
    """The file's content: indented, since people read how it changes."""
    return orjson.dumps(factory.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
