"""Protects what looks after the service: whether it lives, whether it can serve, and what it counts over all its processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

from flask import Flask
from sqlalchemy import create_engine, pool, text

from app.config import Config
from app.db import migrations
from app.factory import create_app
from tests.client import Api, problem
from tests.conftest import config_for
from tests.live import LiveServer, free_port
from tests.web.wire import ask, leases


@contextmanager
def application(url: str | None, **settings: object) -> Iterator[Flask]:
    assert url is not None
    app = create_app(config_for(url, **settings))
    with closing(app.extensions["kehu"].database):
        yield app


class TestLiveness:
    def test_it_asks_nothing_of_the_database(self, app: Flask) -> None:
        with leases(app) as taken:
            response = ask(app, "GET", "/livez")

        assert response.status_code == 200
        assert response.json == {"status": "ok"}
        assert response.headers["Cache-Control"] == "no-store"
        assert taken == []

    def test_it_is_200_where_the_database_is_away(self) -> None:
        with application(f"postgresql+psycopg://kehu@127.0.0.1:{free_port()}/kehu") as away:
            assert ask(away, "GET", "/livez").status_code == 200


class TestReadiness:
    def test_it_is_200_where_the_database_is_there_and_has_every_migration(self, app: Flask) -> None:
        response = ask(app, "GET", "/readyz")

        assert response.status_code == 200
        assert response.json == {"status": "ok"}

    def test_it_is_503_where_a_migration_is_missing(self, app: Flask, config: Config) -> None:
        with stored_revision(config, "0001"):
            response = ask(app, "GET", "/readyz")

        assert response.status_code == 503
        assert problem(response)["code"] == "migrations_missing"
        assert "kehu migrate" in problem(response)["detail"]
        assert response.headers["Retry-After"] == "1"
        assert ask(app, "GET", "/readyz").status_code == 200

    def test_it_is_503_where_there_never_was_a_migration(self, app: Flask, config: Config) -> None:
        with stored_revision(config, None):
            assert problem(ask(app, "GET", "/readyz"))["code"] == "migrations_missing"

    def test_it_is_503_and_says_nothing_of_the_place_where_the_database_is_away(self) -> None:
        port = free_port()
        with application(f"postgresql+psycopg://kehu:hunter2@127.0.0.1:{port}/kehu") as away:
            response = ask(away, "GET", "/readyz")

        assert response.status_code == 503
        assert problem(response)["code"] == "database_unavailable"
        assert not re.search(f"{port}|127|hunter2|kehu@|//kehu|refused", response.get_data(as_text=True))


class TestMetrics:
    def test_it_needs_a_token_where_one_is_set(self, config: Config) -> None:
        with application(config.database_url, metrics_token="scrape-me") as app:
            answers = {
                given: ask(app, "GET", "/metrics", headers={"Authorization": given} if given else {})
                for given in ("", "Bearer scrape-me", "Bearer scrape-m", "Bearer scrape-mee", "Basic scrape-me", "Bearer ü", "Bearer ")
            }

        assert {given: answer.status_code for given, answer in answers.items()} == {
            given: 200 if given == "Bearer scrape-me" else 401 for given in answers
        }
        assert answers[""].headers["WWW-Authenticate"] == 'Bearer realm="kehu"'
        assert problem(answers[""])["code"] == "unauthenticated"

    def test_it_needs_none_where_none_is_set(self, app: Flask) -> None:
        response = ask(app, "GET", "/metrics")

        assert response.status_code == 200
        assert response.content_type.startswith("text/plain; version=")

    def test_it_answers_where_the_database_is_away_and_says_so(self) -> None:
        with application(f"postgresql+psycopg://kehu@127.0.0.1:{free_port()}/kehu") as away:
            response = ask(away, "GET", "/metrics")

        assert response.status_code == 200
        assert "kehu_database_up 0.0" in response.get_data(as_text=True)

    def test_what_both_processes_answered_is_one_sum(self, live: LiveServer, api: Api) -> None:
        before = counted(live)

        for _ in range(40):
            live.call("GET", "/v1/tokens/self", api.token)
        live.call("GET", "/v1/tokens/self")

        found = [counted(live) for _ in range(6)]
        assert {one["200"] - before.get("200", 0) for one in found} == {40}
        assert {one["401"] - before.get("401", 0) for one in found} == {1}

    def test_it_holds_routes_and_no_addresses(self, live: LiveServer, api: Api) -> None:
        made = api.post("/v1/customers", {"external_ids": {"shop": "secret-key-9"}}).json["id"]
        live.call("GET", f"/v1/customers/{made}", api.token)
        live.call("GET", "/v1/customers/by/shop/secret-key-9", api.token)

        _, _, raw = live.call("GET", "/metrics")

        assert made not in raw.decode()
        assert "secret-key-9" not in raw.decode()
        assert 'route="/v1/customers/<id:customer_id>"' in raw.decode()


@contextmanager
def stored_revision(config: Config, revision: str | None) -> Iterator[None]:
    """The database as it was after an older migration, or before the first."""
    engine = create_engine(config.database_url or "", poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if revision is None:
            connection.execute(text("ALTER TABLE alembic_version RENAME TO alembic_version_away"))
        else:
            connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        try:
            yield
        finally:
            if revision is None:
                connection.execute(text("ALTER TABLE alembic_version_away RENAME TO alembic_version"))
            else:
                connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": migrations.expected_revision()})


def counted(server: LiveServer) -> dict[str, float]:
    """How often the caller's own token was asked for, by status."""
    _, _, raw = server.call("GET", "/metrics")
    pattern = r'kehu_requests_total\{method="GET",route="/v1/tokens/self",status="(\d+)"\} (\S+)'
    return {status: float(count) for status, count in re.findall(pattern, raw.decode())}
