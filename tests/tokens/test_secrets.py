"""Protects the secrets: they are shown once, and are in no table, no event and no line of the log."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections import Counter
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.tokens import secrets
from tests.builders import database, rows
from tests.client import Api
from tests.live import LiveServer


def everything_stored(api: Api) -> str:
    """Every row of every table as text; bytes as text too, where they are some."""
    found: list[str] = []
    with database(api.app) as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        for table in tables:
            found += connection.execute(text(f'SELECT to_jsonb(t)::text FROM "{table}" t')).scalars().all()
    whole = "\n".join(found)
    encoded = re.findall(r"\\\\x([0-9a-f]+)", whole)
    return whole + "\n".join(bytes.fromhex(part).decode("latin-1") for part in encoded)


class TestStored:
    def test_no_secret_is_in_any_table(self, api: Api) -> None:
        # With an idempotency key, since the answer is kept under it.
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}, headers={"Idempotency-Key": "1"}).json
        path = f"/v1/tokens/{made['id']}"
        rotated = api.post(f"{path}/rotate", {"overlap_seconds": 60}, headers={"Idempotency-Key": "2"}).json
        Api(api.app, token=rotated["token"]).get("/v1/customers")

        stored = everything_stored(api)

        assert made["id"] in stored
        for shown in (made["token"], rotated["token"]):
            secret = shown.rpartition("_")[2][:32]
            assert secret not in stored
            assert hashlib.sha256(secret.encode()).hexdigest() in stored
        api.delete(path)
        assert hashlib.sha256(rotated["token"].rpartition("_")[2][:32].encode()).hexdigest() not in everything_stored(api)

    def test_the_same_write_again_does_not_show_the_secret_again(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}, headers={"Idempotency-Key": "1"}).json

        response = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}, headers={"Idempotency-Key": "1"})

        assert response.status_code == 409
        assert response.json["code"] == "secret_shown_once"
        assert response.json["id"] == made["id"]

    def test_each_change_of_a_token_is_one_event_without_secrets(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["changes:read"], "expires_at": "2999-01-01T00:00:00Z"}).json
        path = f"/v1/tokens/{made['id']}"
        rotated = api.post(f"{path}/rotate", {"overlap_seconds": 60}).json
        api.delete(path)

        found = "SELECT type, data::json AS data FROM events WHERE subject = :subject ORDER BY xid, id"
        told = rows(api.app, found, subject=path.removeprefix("/v1/"))

        created = {name: made[name] for name in ("id", "name", "scopes", "created_at", "expires_at")}
        assert [(row.type, row.data) for row in told] == [
            ("token.created", {"before": None, "after": created, "changed": list(created)}),
            (
                "token.rotated",
                {
                    "before": {"previous_expires_at": None},
                    "after": {"previous_expires_at": rotated["previous_expires_at"]},
                    "changed": ["previous_expires_at"],
                },
            ),
            ("token.revoked", {"before": {"name": "x", "scopes": ["changes:read"]}, "after": None, "changed": ["name", "scopes"]}),
        ]

    def test_a_refused_call_makes_no_event(self, api: Api) -> None:
        before = rows(api.app, "SELECT count(*) FROM events")[0][0]

        api.with_scopes("tokens:manage").post("/v1/tokens", {"name": "x", "scopes": ["*"]})
        api.post("/v1/tokens", {"name": "x", "scopes": []})

        # The one token that the test itself made.
        assert rows(api.app, "SELECT count(*) FROM events")[0][0] == before + 1


class TestLogged:
    def test_no_secret_is_in_the_log(self, api: Api, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
        with caplog.at_level(logging.DEBUG):
            made = api.post("/v1/tokens", {"name": "Zebra", "scopes": ["*"]}).json
            rotated = api.post(f"/v1/tokens/{made['id']}/rotate").json
            Api(api.app, token=made["token"]).get("/v1/customers")
            Api(api.app, token=rotated["token"]).get(f"/v1/customers?token={rotated['token']}")

        told = capsys.readouterr().err
        assert made["id"] in told
        for secret in (made["token"][38:], rotated["token"][38:], "Zebra"):
            assert secret not in told + caplog.text

    def test_no_secret_is_in_the_log_of_the_service(self, api: Api, live: LiveServer) -> None:
        made = live.call("POST", "/v1/tokens", token=api.token, json={"name": "Zebra", "scopes": ["*"]})[2]
        live.call("GET", f"/v1/customers?access_token={made['token']}")
        live.call("GET", "/v1/tokens/self", token=made["token"])

        # A line is written after its answer is sent.
        until = time.monotonic() + 10
        while made["id"] not in (log := live.log()) and time.monotonic() < until:
            time.sleep(0.05)

        assert made["id"] in log
        assert made["token"][38:] not in log
        assert api.token[38:] not in log


class TestText:
    def test_a_text_is_read_back(self) -> None:
        token_id, secret = uuid4(), secrets.make_secret()

        found = secrets.read(secrets.write(token_id, secret))

        assert found == secrets.TokenText(token_id, secret)

    def test_secrets_differ_and_use_the_whole_alphabet(self) -> None:
        made = [secrets.make_secret() for _ in range(2000)]

        used = Counter("".join(made))

        assert len(set(made)) == 2000
        assert len(used) == 62
        # About 1032 each; a generator that favours a digit by a fifth would show.
        assert min(used.values()) > 850
        assert max(used.values()) < 1230

    def test_any_one_character_changed_is_noticed(self) -> None:
        written = secrets.write(uuid4(), secrets.make_secret())
        changed = [written[:place] + ("0" if written[place] != "0" else "1") + written[place + 1 :] for place in range(len(written))]

        assert [secrets.read(one) for one in changed] == [None] * len(written)

    @pytest.mark.parametrize("spoil", [str.upper, lambda t: t + "\n", lambda t: " " + t, lambda t: t.replace("kehu", "kehü"), lambda t: ""])
    def test_another_form_is_no_token(self, spoil: object) -> None:
        written = secrets.write(uuid4(), secrets.make_secret())

        assert secrets.read(spoil(written)) is None  # type: ignore[operator]
