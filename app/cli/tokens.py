"""`kehu tokens`: tokens made, listed and revoked at the machine itself."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import click

from app.cli import instance
from app.config import Config
from app.core.caller import ALL_SCOPES, SCOPES, command_line
from app.core.errors import NotFound
from app.core.faults import Fault
from app.core.limits import TOKEN_NAME_MAX
from app.core.text import clean_line
from app.db import unit_of_work
from app.db.engines import Database
from app.db.unit_of_work import UnitOfWork
from app.tokens import queries, service

T = TypeVar("T")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PAGE = 200


class _Span(click.ParamType[timedelta]):
    """A length of time such as 90d, 12h, 30m or 45s."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", str(value))
        if found is None:
            self.fail("has to be a number and one of s, m, h, d, such as 90d", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class _Name(click.ParamType[str]):
    """A token's name, by the rules of the API."""

    name = "text"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return clean_line(str(value), max_length=TOKEN_NAME_MAX) or self.fail("cannot be empty", param, ctx)
        except Fault as fault:
            self.fail(fault.detail, param, ctx)


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens."""


@tokens.command()
@click.option("--name", required=True, type=_Name(), help="What the token is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([*SCOPES, ALL_SCOPES]),
    help="May be given several times; * for all.",
)
@click.option("--expires-in", type=_Span(), help="For how long it holds, such as 90d; for ever if left out.")
def create(name: str, scopes: tuple[str, ...], expires_in: timedelta | None) -> None:
    """Make a token and print it, alone on the last line; it is shown this once."""

    def make(unit: UnitOfWork) -> service.ShownToken:
        return service.create(
            unit,
            command_line("kehu tokens create"),
            name=name,
            scopes=scopes,
            expires_at=_end(unit.now, expires_in) if expires_in is not None else None,
        )

    with instance.database(Config.from_env()) as (database, config):
        made = _write(database, config, make)
    click.echo(f"Token {made.id} ({made.name}), scopes {' '.join(made.scopes)}:")
    click.echo(made.token)


@tokens.command(name="list")
def list_all() -> None:
    """List all tokens, newest first, without their secrets."""
    with (
        instance.database(Config.from_env()) as (database, config),
        database.lease(time.monotonic() + config.request_deadline) as connection,
    ):
        after = None
        while True:
            rows = service.list_page(connection, after=after, count=_PAGE)
            for row in rows:
                used = row.last_used_at.isoformat(timespec="minutes") if row.last_used_at else "never"
                expires = row.expires_at.isoformat(timespec="minutes") if row.expires_at else "never"
                click.echo(f"{row.id}  {row.name}  scopes={','.join(row.scopes)}  expires={expires}  last_used={used}")
            if len(rows) < _PAGE:
                return
            after = (rows[-1].created_at, rows[-1].id)


@tokens.command()
@click.argument("token_id", metavar="ID", type=click.UUID)
def revoke(token_id: UUID) -> None:
    """Remove a token for good; every process refuses it within five seconds."""
    with instance.database(Config.from_env()) as (database, config):
        try:
            _write(database, config, lambda unit: service.revoke(unit, command_line("kehu tokens revoke"), token_id=token_id))
        except NotFound as error:
            raise click.ClickException(f"There is no token {token_id}.") from error
    click.echo(f"Token {token_id} is revoked.")


def first_token(url: str, config: Config) -> str | None:
    """A token for everything where the database has none yet, else None."""

    def make(unit: UnitOfWork) -> str | None:
        if queries.has_tokens(unit.connection):
            return None
        made = service.create(unit, command_line("kehu serve"), name="first", scopes=[ALL_SCOPES], expires_at=None)
        return made.token

    database = Database(dataclasses.replace(config, database_url=url))
    try:
        return _write(database, config, make)
    finally:
        database.close()


def _end(now: datetime, expires_in: timedelta) -> datetime:
    try:
        return now + expires_in
    except OverflowError as error:
        raise click.BadParameter("lies beyond the year 9999; leave it out for a token without end", param_hint="--expires-in") from error


def _write(database: Database, config: Config, work: Callable[[UnitOfWork], T]) -> T:
    return unit_of_work.run(database, time.monotonic() + config.request_deadline, work)
