"""What tests share: one PostgreSQL and one database a test process, built by the migrations, and emptied before each test that uses it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, pool, text

from app.config import Config
from app.db import embedded, migrations
from app.factory import create_app
from tests.client import Api
from tests.live import LiveServer

SECRET_KEY = "a key that only the tests sign with, of 32 characters or more"
# What customers leave behind; tokens aside, with which a test goes on.
DATA_TABLES = "contact_history, contact_history_keys, customers, customer_keys, events, idempotency_keys, segment_members"
TABLES = f"{DATA_TABLES}, segments, segment_states, segment_counts, attribute_edition, attributes, tokens"


def wait_for_indexes() -> None:
    """Until nobody builds or drops indexes of attributes any more, who would wait for a test that waits for him."""
    for thread in threading.enumerate():
        if thread.name == "attribute-indexes":
            thread.join()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL for this test process: the one that KEHU_TEST_DATABASE_URL names, else an embedded one of its own."""
    given = os.environ.get("KEHU_TEST_DATABASE_URL")
    if given is not None:
        yield make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    # As root the server runs under another account, which has to be able to get here.
    home = Path(tempfile.mkdtemp(prefix="kehu-tests-"))
    home.chmod(0o755)
    config = Config(data_dir=home / "data", data_dir_is_default=False, secret_key=SECRET_KEY)
    # What a crash of the machine loses does not matter here, what a crash of a process loses does, and that fsync does not change.
    server = embedded.start(config, options={"fsync": "off", "max_connections": "200"})
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def database_url(server_url: str, worker: str) -> Iterator[str]:
    """A database of this test process's own, with all tables."""
    with new_database(server_url, f"kehu_test_{worker}") as url:
        yield url


@contextlib.contextmanager
def new_database(server_url: str, name: str) -> Iterator[str]:
    """A database built by the migrations, dropped at the end."""
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"))
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    migrations.upgrade(url, config_for(url))
    try:
        yield url
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def config_for(url: str, **settings: object) -> Config:
    return Config(database_url=url, data_dir=Path(tempfile.gettempdir()), secret_key=SECRET_KEY, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def worker() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "alone")


@pytest.fixture(scope="session")
def config(database_url: str) -> Config:
    return config_for(database_url)


@pytest.fixture(scope="session")
def session_app(config: Config) -> Iterator[Flask]:
    app = create_app(config)
    yield app
    app.extensions["kehu"].database.close()


@pytest.fixture
def app(session_app: Flask, config: Config) -> Flask:
    """The application, over empty tables."""
    wait_for_indexes()
    with session_app.extensions["kehu"].database.engine.connect() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}"))
        connection.execute(text("UPDATE feed_epoch SET epoch = 1"))
        connection.execute(text("UPDATE segment_lanes SET evaluated_at = NULL"))
    return session_app


@pytest.fixture
def api(app: Flask) -> Api:
    """A client whose token may do everything."""
    return Api(app, scopes=("*",))


@pytest.fixture(scope="session")
def session_server(config: Config) -> Iterator[LiveServer]:
    with LiveServer(config) as server:
        yield server


@pytest.fixture
def live(session_server: LiveServer, app: Flask) -> LiveServer:
    """gunicorn with two processes of four threads, over the same empty tables as `app`."""
    return session_server
