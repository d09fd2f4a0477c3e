"""Which database a command works on, and what it tells where that one cannot be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.config import Config
from app.core.errors import Unavailable
from app.db import embedded, failures
from app.db.engines import Database

_UNDEFINED_TABLE = "42P01"


@contextmanager
def url(config: Config) -> Iterator[str]:
    """The address of the database that `config` names; an embedded one is started for the time being where it does not run."""
    if config.database_url is not None:
        yield config.database_url
        return
    with embedded.running(config) as found:
        yield found


@contextmanager
def database(config: Config) -> Iterator[tuple[Database, Config]]:
    """The database and its settings; what goes wrong with it is told in a sentence."""
    with url(config) as found:
        opened = Database(dataclasses.replace(config, database_url=found))
        try:
            yield opened, config
        except failures.DATABASE_ERRORS as error:
            raise click.ClickException(_sentence(error)) from error
        except Unavailable as error:
            raise click.ClickException("The database does not answer, or is too busy. Try again.") from error
        finally:
            opened.close()


def _sentence(error: Exception) -> str:
    """What the person at the terminal can put right; raises what is our own mistake."""
    if failures.sqlstate(error) == _UNDEFINED_TABLE:
        return "The database has no tables of Kehu yet: run `kehu migrate`."
    if failures.meaning(error, narrowable=False) is None:
        raise error
    # libpq's own words name host and reason, and no password.
    return f"The database cannot be used: {str(getattr(error, 'orig', error)).partition(chr(10))[0]}"
