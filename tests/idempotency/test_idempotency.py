"""Protects the promise that a write sent again with its key is answered again and not executed again."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from sqlalchemy import text

from tests.client import Api, pointers, problem

KEY = {"Idempotency-Key": "order-1"}


def count(app: Flask, table: str) -> int:
    with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
        found: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return found


class TestReplay:
    def test_a_create_sent_again_is_one_customer_and_the_same_answer(self, app: Flask, api: Api) -> None:
        first = api.post("/v1/customers", {"given_name": "Li"}, headers=KEY)

        again = api.post("/v1/customers", {"given_name": "Li"}, headers=KEY)

        assert again.status_code == first.status_code == 201
        assert again.data == first.data
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        for name in ("ETag", "Location", "Kehu-Position", "Content-Type", "Cache-Control"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
        assert count(app, "customers") == 1
        assert count(app, "events WHERE type = 'customer.created'") == 1

    def test_patch_put_and_delete_are_replayed_too(self, app: Flask, api: Api) -> None:
        path = api.post("/v1/customers", {"external_ids": {"shop": "1"}}).headers["Location"]
        calls = [
            ("PATCH", path, {"given_name": "Wei"}),
            ("PUT", "/v1/customers/by/shop/1", {"given_name": "Na"}),
            ("DELETE", "/v1/customers/by/shop/1", None),
            ("DELETE", path, None),
            ("POST", f"{path}/restore", None),
        ]

        for number, (method, address, body) in enumerate(calls):
            key = {"Idempotency-Key": str(number)}
            first = api.request(method, address, json=body, headers=key)
            events = count(app, "events")
            again = api.request(method, address, json=body, headers=key)

            assert (again.status_code, again.data) == (first.status_code, first.data)
            assert again.headers["Idempotency-Replayed"] == "true"
            assert count(app, "events") == events

    def test_the_state_may_have_moved_on_and_the_answer_stays(self, api: Api) -> None:
        path = api.post("/v1/customers", {}).headers["Location"]
        first = api.patch(path, {"given_name": "Wei"}, headers={**KEY, "If-Match": '"1"'})
        api.patch(path, {"given_name": "Na"})

        again = api.patch(path, {"given_name": "Wei"}, headers={**KEY, "If-Match": '"1"'})

        assert again.data == first.data
        assert api.get(path).json["given_name"] == "Na"

    def test_white_space_and_the_order_of_names_make_no_other_request(self, api: Api) -> None:
        api.post("/v1/customers", headers=KEY, data=b'{"given_name":"Li","family_name":"Wei"}', content_type="application/json")

        again = api.post(
            "/v1/customers", headers=KEY, data=b'{ "family_name": "Wei", "given_name": "Li" }', content_type="application/json"
        )

        assert again.headers["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/v1/customers", {"given_name": "Wei"}),
            ("PUT", "/v1/customers/by/shop/1", {"given_name": "Li"}),
            ("POST", "/v1/customers", {"given_name": "Li", "tags": []}),
        ],
    )
    def test_another_request_with_the_key_is_422(self, app: Flask, api: Api, method: str, path: str, body: object) -> None:
        api.post("/v1/customers", {"given_name": "Li"}, headers=KEY)

        response = api.request(method, path, json=body, headers=KEY)

        assert pointers(response) == {"header.Idempotency-Key": "idempotency_key_reused"}
        assert problem(response)["code"] == "idempotency_key_reused"
        assert count(app, "customers") == 1

    def test_another_query_makes_another_request(self, api: Api) -> None:
        api.put("/v1/customers/by/shop/1", {}, headers=KEY)

        response = api.put("/v1/customers/by/shop/1?mode=update", {}, headers=KEY)

        assert problem(response)["code"] == "idempotency_key_reused"

    def test_a_refused_call_leaves_nothing_and_is_executed_afresh(self, app: Flask, api: Api) -> None:
        api.post("/v1/customers", {"external_ids": {"shop": "1"}})
        refused = api.post("/v1/customers", {"external_ids": {"shop": "1"}}, headers=KEY)
        api.delete("/v1/customers/by/shop/1")

        executed = api.post("/v1/customers", {"external_ids": {"shop": "1"}}, headers=KEY)

        assert refused.status_code == 409
        assert executed.status_code == 201
        assert "Idempotency-Replayed" not in executed.headers

    def test_keys_belong_to_a_token(self, app: Flask, api: Api) -> None:
        api.post("/v1/customers", {"given_name": "Li"}, headers=KEY)

        other = api.with_scopes("*").post("/v1/customers", {"given_name": "Li"}, headers=KEY)

        assert "Idempotency-Replayed" not in other.headers
        assert count(app, "customers") == 2

    def test_a_rotated_token_keeps_its_keys(self, app: Flask, api: Api) -> None:
        first = api.post("/v1/customers", {}, headers=KEY)
        own = api.get("/v1/tokens/self").json["id"]
        rotated = api.post(f"/v1/tokens/{own}/rotate", {"overlap_seconds": 0}).json["token"]
        app.extensions["kehu"].look_up._cache.clear()

        again = Api(app, token=rotated).post("/v1/customers", {}, headers=KEY)

        assert again.data == first.data

    def test_a_secret_is_not_stored_and_not_shown_again(self, app: Flask, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "sync", "scopes": ["customers:read"]}, headers=KEY)

        again = api.post("/v1/tokens", {"name": "sync", "scopes": ["customers:read"]}, headers=KEY)

        assert again.status_code == 409
        assert problem(again)["code"] == "secret_shown_once"
        assert problem(again)["id"] == made.json["id"]
        assert count(app, "tokens WHERE name = 'sync'") == 1
        secret = made.json["token"].rpartition("_")[2].encode().hex()
        assert count(app, f"idempotency_keys k WHERE encode(k.answer, 'hex') LIKE '%{secret}%'") == 0

    @pytest.mark.parametrize("key", ["", "x" * 256, "ä", "tab\there"])
    def test_what_is_no_key_is_422(self, app: Flask, api: Api, key: str) -> None:
        response = api.post("/v1/customers", {}, headers={"Idempotency-Key": key})

        assert pointers(response) == {"header.Idempotency-Key": "wrong_shape"}
        assert count(app, "customers") == 0

    def test_a_key_of_255_characters_is_taken(self, api: Api) -> None:
        assert api.post("/v1/customers", {}, headers={"Idempotency-Key": "~" * 255}).status_code == 201

    def test_a_key_on_a_read_means_nothing(self, api: Api) -> None:
        assert api.get("/v1/customers", headers=KEY).status_code == 200


class TestForgetting:
    def age(self, app: Flask, hours: int) -> None:
        with app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
            connection.execute(text(f"UPDATE idempotency_keys SET created_at = created_at - interval '{hours} hours'"))

    def test_a_key_is_kept_for_a_day(self, app: Flask, api: Api) -> None:
        api.post("/v1/customers", {}, headers=KEY)
        self.age(app, 23)

        assert api.post("/v1/customers", {}, headers=KEY).headers["Idempotency-Replayed"] == "true"

    def test_after_a_day_the_key_is_free_even_before_it_is_swept(self, app: Flask, api: Api) -> None:
        api.post("/v1/customers", {"given_name": "Li"}, headers=KEY)
        self.age(app, 25)

        again = api.post("/v1/customers", {"given_name": "Wei"}, headers=KEY)

        assert again.status_code == 201
        assert "Idempotency-Replayed" not in again.headers
        assert count(app, "customers") == 2
        assert count(app, "idempotency_keys") == 1

    def test_old_keys_are_swept_by_the_writes_that_follow(self, app: Flask, api: Api) -> None:
        for number in range(5):
            api.post("/v1/customers", {}, headers={"Idempotency-Key": f"old-{number}"})
        self.age(app, 25)

        for number in range(100):
            api.put("/v1/customers/by/shop/1", {}, headers={"Idempotency-Key": f"new-{number}"})

        assert count(app, "idempotency_keys WHERE key LIKE 'old-%'") == 0
        assert count(app, "idempotency_keys WHERE key LIKE 'new-%'") == 100
