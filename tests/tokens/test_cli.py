"""Protects `kehu tokens`: what it prints, what it refuses in a sentence, and that it is the same as through the API."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from app.cli import main
from app.tokens import secrets
from tests.builders import rows
from tests.client import Api
from tests.conftest import SECRET_KEY
from tests.live import ROOT

NOBODY = "01890000-0000-7000-8000-000000000000"


def kehu(url: str | None, *arguments: str, **environment: str | None) -> Result:
    """`kehu <arguments>` in this process, over the database at `url`."""
    cleared = {name: None for name in os.environ if name.startswith("KEHU_")}
    given = {"KEHU_DATABASE_URL": url, "KEHU_SECRET_KEY": SECRET_KEY}
    return CliRunner().invoke(main, arguments, env={**cleared, **given, **environment}, prog_name="kehu")


class TestCreate:
    def test_the_last_line_is_a_token_that_opens_and_nothing_else(self, app: Flask, database_url: str) -> None:
        result = kehu(database_url, "tokens", "create", "--name", "Shop 商店", "--scope", "customers:write", "--scope", "customers:read")

        assert result.exit_code == 0, result.output
        first, last = result.stdout.splitlines()
        token = secrets.read(last)
        assert token is not None
        assert first == f"Token {token.token_id} (Shop 商店), scopes customers:read customers:write:"
        shown = Api(app, token=last).get("/v1/tokens/self").json
        assert shown["name"] == "Shop 商店"
        assert shown["scopes"] == ["customers:read", "customers:write"]
        assert shown["expires_at"] is None

    def test_it_is_an_event_of_the_command_line(self, app: Flask, database_url: str) -> None:
        kehu(database_url, "tokens", "create", "--name", "x", "--scope", "*")

        stored = rows(app, "SELECT type, actor::json AS actor FROM events")[0]

        assert stored.type == "token.created"
        assert stored.actor == {"type": "command_line", "id": None, "name": "kehu tokens create"}

    @pytest.mark.parametrize(
        ("span", "length"),
        [("90d", timedelta(days=90)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30)), ("45s", timedelta(seconds=45))],
    )
    def test_it_may_end_by_itself(self, app: Flask, database_url: str, span: str, length: timedelta) -> None:
        token = kehu(database_url, "tokens", "create", "--name", "x", "--scope", "*", "--expires-in", span).stdout.splitlines()[-1]

        ends = datetime.fromisoformat(Api(app, token=token).get("/v1/tokens/self").json["expires_at"])

        assert timedelta(0) <= datetime.now(UTC) + length - ends < timedelta(seconds=10)

    @pytest.mark.parametrize("span", ["0d", "-1d", "90", "d", "1.5h", "1w", "99999999d", "9999999d", "１d"])
    def test_another_length_of_time_is_refused_in_a_sentence(self, app: Flask, database_url: str, span: str) -> None:
        result = kehu(database_url, "tokens", "create", "--name", "x", "--scope", "*", "--expires-in", span)

        assert result.exit_code == 2
        assert "--expires-in" in result.stderr
        assert "Traceback" not in result.output
        assert rows(app, "SELECT count(*) FROM tokens")[0][0] == 0

    @pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb", "\u202eab", "\u200b"])
    def test_another_name_is_refused_in_a_sentence(self, app: Flask, database_url: str, name: str) -> None:
        result = kehu(database_url, "tokens", "create", "--name", name, "--scope", "*")

        assert result.exit_code == 2
        assert "--name" in result.stderr
        assert rows(app, "SELECT count(*) FROM tokens")[0][0] == 0

    @pytest.mark.parametrize("arguments", [("--name", "x"), ("--scope", "*"), ("--name", "x", "--scope", "customers")])
    def test_what_is_missing_or_no_scope_is_refused(self, app: Flask, database_url: str, arguments: tuple[str, ...]) -> None:
        result = kehu(database_url, "tokens", "create", *arguments)

        assert result.exit_code == 2
        assert rows(app, "SELECT count(*) FROM tokens")[0][0] == 0

    def test_as_a_program_of_its_own_it_prints_the_token_alone_on_standard_output_last(self, app: Flask, database_url: str) -> None:
        environment = {"PATH": os.environ["PATH"], "KEHU_DATABASE_URL": database_url, "KEHU_SECRET_KEY": SECRET_KEY}
        command = [sys.executable, "-m", "app.cli", "tokens", "create", "--name", "x", "--scope", "*"]

        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)

        assert Api(app, token=done.stdout.splitlines()[-1]).get("/v1/customers").status_code == 200


class TestList:
    def test_every_token_is_a_line_without_its_secret(self, api: Api, database_url: str) -> None:
        made = api.post("/v1/tokens", {"name": "Shop", "scopes": ["changes:read"], "expires_at": "2999-01-01T00:00:00Z"}).json
        own = api.get("/v1/tokens/self").json

        result = kehu(database_url, "tokens", "list")

        assert result.exit_code == 0
        used = own["last_used_at"][:16] + "+00:00"
        assert result.stdout.splitlines() == [
            f"{made['id']}  Shop  scopes=changes:read  expires=2999-01-01T00:00+00:00  last_used=never",
            f"{own['id']}  tests  scopes=*  expires=never  last_used={used}",
        ]

    def test_more_than_a_page_is_listed_whole(self, api: Api, database_url: str) -> None:
        for number in range(205):
            api.post("/v1/tokens", {"name": str(number), "scopes": ["*"]})

        result = kehu(database_url, "tokens", "list")

        assert [line.split()[1] for line in result.stdout.splitlines()] == [*(str(number) for number in reversed(range(205))), "tests"]


class TestRevoke:
    def test_a_revoked_token_opens_nothing(self, api: Api, database_url: str) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json

        result = kehu(database_url, "tokens", "revoke", made["id"])

        assert result.exit_code == 0
        assert result.stdout == f"Token {made['id']} is revoked.\n"
        assert Api(api.app, token=made["token"]).get("/v1/customers").status_code == 401

    def test_an_unknown_id_is_said_in_a_sentence(self, app: Flask, database_url: str) -> None:
        result = kehu(database_url, "tokens", "revoke", NOBODY)

        assert result.exit_code == 1
        assert result.stderr == f"Error: There is no token {NOBODY}.\n"

    def test_what_is_no_id_is_refused(self, app: Flask, database_url: str) -> None:
        assert kehu(database_url, "tokens", "revoke", "x").exit_code == 2


class TestSurroundings:
    @pytest.mark.parametrize("command", [("list",), ("create", "--name", "x", "--scope", "*"), ("revoke", NOBODY)])
    def test_every_bad_variable_is_told_in_a_sentence(self, command: tuple[str, ...]) -> None:
        result = kehu("mysql://x", "tokens", *command, KEHU_SECRET_KEY="short", KEHU_THREADS="many")

        assert result.exit_code == 2
        assert [line.removeprefix("kehu: ").partition(":")[0] for line in result.stderr.splitlines()] == (
            ["KEHU_DATABASE_URL", "KEHU_SECRET_KEY", "KEHU_THREADS"]
        )

    def test_a_database_without_a_key_is_told_in_a_sentence(self, database_url: str) -> None:
        result = kehu(database_url, "tokens", "list", KEHU_SECRET_KEY=None)

        assert result.exit_code == 2
        assert result.stderr.startswith("kehu: KEHU_SECRET_KEY: needed beside KEHU_DATABASE_URL")

    @pytest.mark.parametrize("command", [("list",), ("create", "--name", "x", "--scope", "*"), ("revoke", NOBODY)])
    def test_a_database_without_tables_is_told_in_a_sentence(self, server_url: str, command: tuple[str, ...]) -> None:
        result = kehu(server_url, "tokens", *command)

        assert result.exit_code == 1
        assert result.stderr == "Error: The database has no tables of Kehu yet: run `kehu migrate`.\n"

    @pytest.mark.parametrize("command", [("list",), ("create", "--name", "x", "--scope", "*")])
    def test_a_database_that_is_away_is_told_in_a_sentence(self, command: tuple[str, ...]) -> None:
        result = kehu("postgresql://someone:hidden@127.0.0.1:1/kehu", "tokens", *command)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: The database cannot be used: ")
        assert "hidden" not in result.output
