"""Which database a command works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.config import Config
from app.db import embedded


@contextmanager
def url(config: Config) -> Iterator[str]:
    """The address of the database that `config` names; an embedded one is started for the time being where it does not run."""
    if config.database_url is not None:
        yield config.database_url
        return
    with embedded.running(config) as found:
        yield found
