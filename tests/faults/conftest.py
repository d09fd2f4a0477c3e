"""What tests of faults share: a service behind a proxy of ours, and a PostgreSQL of their own that may be killed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.config import Config
from app.db import embedded
from tests.client import make_token
from tests.conftest import SECRET_KEY, config_for
from tests.faults.calls import Caller, at_once
from tests.faults.proxy import Proxy
from tests.live import LiveServer


@pytest.fixture(scope="package")
def package_proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def package_server(package_proxy: Proxy) -> Iterator[LiveServer]:
    with LiveServer(config_for(package_proxy.url)) as server:
        yield server


@pytest.fixture
def proxy(package_proxy: Proxy) -> Iterator[Proxy]:
    """Passes everything at first."""
    yield package_proxy
    package_proxy.heal()


@pytest.fixture
def caller(app: Flask, package_server: LiveServer, proxy: Proxy) -> Caller:
    """May do everything at a service of two processes behind the proxy, over empty tables; its pools hold connections."""
    caller = Caller(package_server, make_token(app, "*"))
    at_once(*[lambda: caller.get("/v1/customers")] * 12)
    return caller


@pytest.fixture(scope="package")
def own_server() -> Iterator[embedded.Server]:
    """A PostgreSQL of these tests' own, whatever the others run on; it may be killed and started again."""
    # As root the server runs under another account, which has to be able to get here.
    home = Path(tempfile.mkdtemp(prefix="kehu-faults-"))
    home.chmod(0o755)
    config = Config(data_dir=home / "data", data_dir_is_default=False, secret_key=SECRET_KEY)
    # As in the shared one: fsync matters to a crash of the machine, not to one of a process.
    server = embedded.start(config, options={"fsync": "off"})
    try:
        yield server
    finally:
        server.stop()
