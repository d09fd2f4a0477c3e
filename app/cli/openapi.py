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
    text = orjson.dumps(factory.document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if write:
        _FILE.write_bytes(text)
        click.echo(f"{_FILE} is written.")
    else:
        click.echo(text.decode(), nl=False)
