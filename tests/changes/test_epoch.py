"""Protects readers from a restored database: a position of its earlier life is refused, and a server that lost ids says so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from flask import Flask
from sqlalchemy import text

from app.changes import epoch
from app.config import Config
from tests.client import Api, problem

ROOT = Path(__file__).resolve().parents[2]


def execute(app: Flask, statement: str) -> None:
    with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
        connection.execute(text(statement))


class TestRestored:
    def test_the_command_makes_former_positions_410(self, app: Flask, api: Api, config: Config) -> None:
        former = api.post("/v1/customers", {}).headers["Kehu-Position"]
        environment = {**os.environ, "KEHU_DATABASE_URL": config.database_url or "", "KEHU_SECRET_KEY": config.secret_key}

        done = subprocess.run([sys.executable, "-m", "app.cli", "restored"], cwd=ROOT, env=environment, capture_output=True, timeout=60)

        assert done.returncode == 0, done.stderr
        assert problem(api.get("/v1/changes", query_string={"after": former}))["code"] == "position_of_earlier_life"

    def test_writes_go_on_behind_what_was_there(self, app: Flask, api: Api) -> None:
        path = api.post("/v1/customers", {}).headers["Location"]
        # As on a server that has given out fewer ids than the one whose backup this is.
        execute(app, "UPDATE customers SET xid = '9000000000'")
        with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
            epoch.begin(connection)

        patched = api.patch(path, {"given_name": "Li"})
        feed = api.get("/v1/changes?types=customer.*").json["data"]

        assert patched.status_code == 200
        assert [event["data"]["after"]["version"] for event in feed] == [1, 2]


class TestMoved:
    def test_data_on_another_server_begins_a_new_life(self, app: Flask, api: Api) -> None:
        former = api.post("/v1/customers", {}).headers["Kehu-Position"]
        execute(app, "UPDATE feed_epoch SET system_identifier = '1'")

        with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
            moved = epoch.begin_where_moved(connection)
            again = epoch.begin_where_moved(connection)

        assert (moved, again) == (True, False)
        assert api.get("/v1/changes", query_string={"after": former}).status_code == 410

    def test_a_new_database_learns_its_server_without_a_new_life(self, app: Flask, api: Api) -> None:
        execute(app, "UPDATE feed_epoch SET system_identifier = NULL")
        before = api.post("/v1/customers", {}).headers["Kehu-Position"]

        with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
            moved = epoch.begin_where_moved(connection)

        assert not moved
        assert api.get("/v1/changes", query_string={"after": before}).status_code == 200


class TestReady:
    def test_a_server_behind_its_own_log_is_not_ready(self, app: Flask, api: Api) -> None:
        api.post("/v1/customers", {})
        ready = api.get("/readyz").status_code
        execute(app, "UPDATE events SET xid = '9000000000'")

        response = api.get("/readyz")

        assert ready == 200
        assert response.status_code == 503
        assert problem(response)["code"] == "restored_unsaid"
