"""`kehu worker`: runs the jobs of `app.worker` until SIGTERM or Ctrl-C."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading

import click

from app import factory
from app.cli import instance
from app.config import Config
from app.core import logs
from app.db.engines import Database
from app.worker import jobs, loop


@click.command()
def worker() -> None:
    """Keep the members of segments and tell who joins and leaves, until SIGTERM.

    As many as you like may run at once, on any host.
    """
    stop = loop.Stop(threading.Event())
    again = threading.Event()

    def take_signal(number: int, _: object) -> None:
        if number == signal.SIGHUP:
            again.set()
        stop.event.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, take_signal)
    logs.configure()
    config = Config.from_env()
    with instance.url(config) as url:
        database = Database(dataclasses.replace(jobs.settings(config), database_url=url))
        loop.run(jobs.jobs(database, config, url, factory.catalogues()["customers"], stop), stop)
        database.close()
    if again.is_set():
        # As gunicorn does: the same process with the code as it is now.
        os.execv(sys.executable, sys.orig_argv)
