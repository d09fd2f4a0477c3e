"""`kehu import` and `kehu check`: a file of any length to a running Kehu, and what became of its lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from app.cli import client
from app.cli.client import Broken, Failed, Request, Service, say
from app.cli.progress import Progress
from app.cli.refused import Refused
from app.cli.results import Json, Results
from app.cli.sending import Origin, Sender

# Any: commands of click.
F = TypeVar("F", bound=Callable[..., Any])

# So many refusals of an import for which no file was named; the rest is counted.
_SHOWN = 20


def _options(command: F) -> F:
    for decorate in (
        client.options,
        click.option(
            "--refused",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Where to write the lines that are refused, as they were sent; why, goes to FILE.reasons.",
        ),
        click.option("--restore", is_flag=True, help="Bring back what was deleted; else its lines are refused."),
        click.option("--match", metavar="email|phone|email,phone", help="Find customers by these too, not by their external ids alone."),
        click.option("--source", help="The source of lines that name none."),
        click.option("--gzip", "is_gzip", is_flag=True, help="FILE is compressed; known by itself where its name ends in .gz."),
        click.option("--format", "kind", type=click.Choice([*client.FORMATS]), help="What FILE is, where its name does not say it."),
        click.argument("name", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True)),
    ):
        command = decorate(command)
    return command


@click.command(name="import")
@_options
def import_(name: str, url: str, resource: str, kind: str | None, is_gzip: bool, refused: Path | None, **query: Any) -> None:
    """Create or change a customer for each line of FILE.

    FILE is NDJSON or CSV in UTF-8 (.ndjson, .jsonl, .csv, .tsv, and .gz behind it), - for standard input. The token is read from
    KEHU_TOKEN. Sending a file again is safe: what has not changed is not written.

    Exit status: 0 all is there, 1 some lines were refused, 2 nothing was sent or taken, 3 it ended early, and a sentence says where.
    """
    _Run(name, url, resource, kind, is_gzip, refused, _query(**query)).run()


@click.command()
@_options
def check(name: str, url: str, resource: str, kind: str | None, is_gzip: bool, refused: Path | None, **query: Any) -> None:
    """Say which lines of FILE an import would refuse, and why, without writing any.

    Options and exit status are those of `kehu import`.
    """
    _Run(name, url, resource, kind, is_gzip, refused, _query(**query) | {"dry_run": "true"}).run()


def _query(*, source: str | None, match: str | None, restore: bool) -> dict[str, str]:
    query = {"source": source, "match": match, "deleted": "restore" if restore else None}
    return {name: value for name, value in query.items() if value is not None}


def _format(name: str, kind: str | None) -> str:
    path = Path(name.removesuffix(".gz"))
    found = kind or client.SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise Failed(f"Say by --format {' or '.join(client.FORMATS)} what {'standard input' if name == '-' else name} is.")
    return found


class _Run:
    """One file on its way."""

    def __init__(
        self, name: str, url: str, resource: str, kind: str | None, is_gzip: bool, refused: Path | None, query: dict[str, str]
    ) -> None:
        kind, is_gzip = _format(name, kind), is_gzip or name.endswith(".gz")
        self._service = Service.of(url)
        self._is_dry = "dry_run" in query
        try:
            self._origin = Origin(name, is_gzip=is_gzip)
        except OSError as error:
            raise Failed(f"{name} cannot be read: {error.strerror}.") from error
        headers = {"Content-Type": client.FORMATS[kind]} | ({"Content-Encoding": "gzip"} if is_gzip else {})
        self._request = Request("POST", f"/v1/{resource}/import", query, headers, self._origin)
        self._refused = None if refused is None else Refused(refused, self._origin, has_header=kind == "csv")
        self._progress = Progress()
        self._results = Results(self._see)

    def run(self) -> NoReturn:
        results = self._results
        broken, status = None, client.BROKEN
        try:
            self._stream()
            if results.summary is None:
                broken = "It ended without an end."
        except Broken as error:
            # Behind the summary nothing can be lost any more.
            broken = None if results.summary is not None else f"The connection broke: {error}."
        except OSError as error:
            broken = f"What was refused cannot be written: {error.strerror}."
        except KeyboardInterrupt:
            broken, status = "Interrupted.", client.INTERRUPTED
        ended = results.ended
        if self._refused is not None:
            if broken is None:
                self._refused.finish(None if ended is None else ended["line"])
            self._refused.copy()
        self._progress.clear()
        self._say_all()
        if broken is not None:
            say(f"{broken} {self._where_to_go_on(max(results.line, 1))}")
        elif ended is not None:
            say(f"It ended early. {client.sentence(ended['problem'])} {self._where_to_go_on(ended['line'])}")
        else:
            status = client.REFUSED if results.refused else 0
        sys.exit(status)

    def _stream(self) -> None:
        """Raises Broken."""
        with client.asked(self._service, self._request) as answer:
            if self._refused is None:
                self._origin.forget()
            else:
                self._refused.begin()
            assert answer.sender is not None
            for piece in answer.pieces():
                self._results.feed(piece)
                self._show(answer.sender)

    def _see(self, line: int, refusal: Json | None) -> None:
        if self._refused is not None:
            self._refused.see(line, refusal)
        if refusal is None:
            return
        # What a check finds is what it is for; of an import some examples will do.
        if self._is_dry:
            self._progress.clear()
            click.echo(_told(refusal))
        elif self._refused is None and self._results.refused <= _SHOWN:
            self._progress.clear()
            say(_told(refusal))

    def _show(self, sender: Sender) -> None:
        results, size = self._results, self._origin.size
        share = None
        if size:
            # Of what was sent a part has its results; of compressed lines it is not known which.
            answered = 1.0 if self._origin.is_gzip or not sender.lines else min(results.line / sender.lines, 1.0)
            share = answered * sender.bytes / size
        self._progress.show(results.done, "lines", share=share, note=f"  {results.refused:,} refused" if results.refused else "")

    def _say_all(self) -> None:
        results = self._results
        rate = results.done / self._progress.seconds()
        would = "would be " if self._is_dry and results.done else ""
        say(f"{results.done:,} lines, {would}{results.words() or 'nothing done'}; {rate:,.0f} lines/s.")
        if results.refused and self._refused is not None:
            say(f"The refused lines are in {self._refused.path}, and why in {self._refused.reasons_path}.")
        elif results.refused > _SHOWN and not self._is_dry:
            say(f"{results.refused - _SHOWN:,} more were refused; --refused FILE keeps all of them, to be mended and sent again.")
        if results.summary is not None and (position := results.summary.get("position")):
            say(f"Kehu-Position: {position}")

    def _where_to_go_on(self, line: int) -> str:
        if self._is_dry:
            return f"Checked are the lines before {line}."
        return f"What lies before line {line} is done. Send again from line {line}, or all of it: what has not changed is not written."


def _told(refusal: Json) -> str:
    key = f" ({refusal['source']}: {refusal['external_id']})" if refusal["external_id"] is not None else ""
    return f"line {refusal['line']}{key}: {client.sentence(refusal['problem'])}"
