"""`kehu export`: everything that a filter finds, from a running Kehu into a file that is whole or not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from app.cli import client
from app.cli.client import Broken, Failed, Request, Service, say
from app.cli.progress import Progress


class _Parameter(click.ParamType[tuple[str, str]]):
    """A query parameter of the export."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, wanted = str(value).partition("=")
        if not name or not equals:
            self.fail("has to be name=value, such as country=CN", param, ctx)
        return name, wanted


@click.command()
@click.option("--output", default="-", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE", help="- for standard output.")
@click.option("--format", "kind", type=click.Choice([*client.FORMATS]), help="As the name of the file says, else ndjson.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    type=_Parameter(),
    help="May be given several times; the query parameters of GET /v1/customers/export, such as country=CN or fields=id,email.",
)
@client.options
def export(output: str, kind: str | None, filters: tuple[tuple[str, str], ...], url: str, resource: str) -> None:
    """Write all customers that are found to FILE.

    They come as of one moment; the Kehu-Position, on standard error, is where GET /v1/changes goes on from there. FILE is there when all
    of it is: until then it is FILE.part. The token is read from KEHU_TOKEN.

    Exit status: 0 all is there, 2 refused or not reached, 3 the connection broke, and what came is not all.
    """
    service = Service.of(url)
    chosen = kind or client.SUFFIXES.get(Path(output).suffix.lower(), "ndjson")
    request = Request("GET", f"/v1/{resource}/export", list(filters), {"Accept": client.FORMATS[chosen]})
    try:
        _export(service, request, output)
    except Broken as error:
        kept = "what was written is not all" if output == "-" else f"{output} is not written"
        raise Failed(f"The connection broke: {error}; {kept}.", client.BROKEN) from error
    except KeyboardInterrupt:
        raise Failed("Interrupted; what came is not all.", client.INTERRUPTED) from None


def _export(service: Service, request: Request, output: str) -> None:
    progress = Progress()
    count = lines = 0
    try:
        with client.asked(service, request) as answer, _opened(output) as file:
            for piece in answer.pieces():
                file.write(piece)
                count += len(piece)
                lines += piece.count(b"\n")
                progress.show(lines, "lines", note=f"  {count / 1e6:,.1f} MB")
            file.flush()
            position = answer.header("Kehu-Position")
    finally:
        progress.clear()
    say(f"{lines:,} lines, {count / 1e6:,.1f} MB; {lines / progress.seconds():,.0f} lines/s.")
    say(f"Kehu-Position: {position}")


@contextmanager
def _opened(output: str) -> Iterator[IO[bytes]]:
    """What to write to: renamed to `output` at the end, and taken away where there is none. Raises Failed where it cannot be written."""
    if output == "-":
        yield sys.stdout.buffer
        return
    path = Path(output).resolve()
    # A pipe or a device has no end to wait for, and must not be replaced.
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise Failed(f"{output} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
