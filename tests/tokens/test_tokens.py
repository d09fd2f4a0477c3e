"""Protects the calls with which tokens are made, shown, given a new secret and revoked, and that none gives away what it lacks."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.core.caller import SCOPES
from tests.client import Api, pointers, problem

NOBODY = "01890000-0000-7000-8000-000000000000"
TEXT = re.compile(r"kehu_[0-9a-f]{32}_[0-9A-Za-z]{38}")


def soon(seconds: float = 3600) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


class TestCreate:
    def test_a_new_token_is_answered_whole_and_opens_what_it_was_made_for(self, api: Api) -> None:
        response = api.post("/v1/tokens", {"name": " Shop 商店 ", "scopes": ["customers:write", "customers:read"]})

        made = response.json
        assert response.status_code == 201
        assert response.headers["Location"] == f"/v1/tokens/{made['id']}"
        assert response.headers["Kehu-Position"]
        assert made == {
            "id": made["id"],
            "name": "Shop 商店",
            "scopes": ["customers:read", "customers:write"],
            "created_at": made["created_at"],
            "expires_at": None,
            "last_used_at": None,
            "previous_expires_at": None,
            "token": made["token"],
        }
        assert TEXT.fullmatch(made["token"])
        assert made["token"].startswith(f"kehu_{made['id'].replace('-', '')}_")
        assert Api(api.app, token=made["token"]).post("/v1/customers", {}).status_code == 201

    def test_it_may_end_by_itself(self, api: Api) -> None:
        response = api.post("/v1/tokens", {"name": "x", "scopes": ["*"], "expires_at": "2999-01-01T08:00:00+08:00"})

        assert response.json["expires_at"] == "2999-01-01T00:00:00Z"

    def test_a_scope_that_stands_twice_is_kept_once(self, api: Api) -> None:
        response = api.post("/v1/tokens", {"name": "x", "scopes": ["changes:read", "changes:read"]})

        assert response.json["scopes"] == ["changes:read"]

    @pytest.mark.parametrize(
        ("body", "faults"),
        [
            ({}, {"/name": "required", "/scopes": "required"}),
            ({"name": "", "scopes": []}, {"/name": "empty", "/scopes": "wrong_count"}),
            ({"name": "x" * 101, "scopes": ["customers"]}, {"/name": "too_long", "/scopes/0": "not_a_choice"}),
            ({"name": "a\nb", "scopes": "*"}, {"/name": "control_character", "/scopes": "wrong_type"}),
            ({"name": None, "scopes": None}, {"/name": "null", "/scopes": "null"}),
            ({"name": "x", "scopes": [""]}, {"/scopes/0": "not_a_choice"}),
            ({"name": "x", "scopes": ["*"], "expires_at": "2020-01-01T00:00:00Z"}, {"/expires_at": "in_the_past"}),
            ({"name": "x", "scopes": ["*"], "expires_at": "tomorrow"}, {"/expires_at": "invalid_timestamp"}),
            ({"name": "x", "scopes": ["*"], "token": "kehu_"}, {"/token": "unknown_field"}),
        ],
    )
    def test_a_malformed_body_is_422(self, api: Api, body: dict[str, object], faults: dict[str, str]) -> None:
        assert pointers(api.post("/v1/tokens", body)) == faults


class TestEscalation:
    @pytest.mark.parametrize("scope", ["customers:write", "*"])
    def test_a_token_cannot_grant_a_scope_that_it_lacks(self, api: Api, scope: str) -> None:
        limited = api.with_scopes("tokens:manage", "customers:read")

        response = limited.post("/v1/tokens", {"name": "x", "scopes": ["customers:read", scope]})

        assert response.status_code == 403
        assert problem(response)["code"] == "scope_not_held"
        assert problem(response)["scope"] == scope
        assert [token["name"] for token in api.get("/v1/tokens").json["data"]] == ["tests", "tests"]

    def test_all_scopes_by_name_are_not_all(self, api: Api) -> None:
        everything = api.with_scopes(*SCOPES)

        assert everything.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).status_code == 403
        assert everything.post("/v1/tokens", {"name": "x", "scopes": list(SCOPES)}).status_code == 201

    def test_a_token_may_grant_what_it_has(self, api: Api) -> None:
        limited = api.with_scopes("tokens:manage", "customers:read")

        response = limited.post("/v1/tokens", {"name": "x", "scopes": ["customers:read", "tokens:manage"]})

        assert response.status_code == 201

    def test_the_secret_of_a_stronger_token_cannot_be_taken_over(self, api: Api) -> None:
        stronger = api.post("/v1/tokens", {"name": "x", "scopes": ["customers:write"]}).json
        limited = api.with_scopes("tokens:manage", "customers:read")

        response = limited.post(f"/v1/tokens/{stronger['id']}/rotate")

        assert response.status_code == 403
        assert problem(response)["scope"] == "customers:write"
        assert Api(api.app, token=stronger["token"]).post("/v1/customers", {}).status_code == 201


class TestRead:
    def test_a_token_is_shown_without_its_secret(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["changes:read"]}).json
        del made["token"]

        assert api.get(f"/v1/tokens/{made['id']}").json == made

    @pytest.mark.parametrize("token_id", [NOBODY, "x", "00000000-0000-0000-0000-000000000000"])
    def test_an_unknown_id_is_404(self, api: Api, token_id: str) -> None:
        assert api.get(f"/v1/tokens/{token_id}").status_code == 404

    def test_the_list_is_answered_whole_newest_first(self, api: Api) -> None:
        made = [api.post("/v1/tokens", {"name": str(number), "scopes": ["*"]}).json for number in range(2)]
        own = api.get("/v1/tokens/self").json
        for token in made:
            del token["token"]

        response = api.get("/v1/tokens")

        assert response.json == {"data": [made[1], made[0], own], "next_cursor": None}

    def test_the_list_is_walked_page_by_page(self, api: Api) -> None:
        for number in range(6):
            api.post("/v1/tokens", {"name": str(number), "scopes": ["*"]})

        names: list[str] = []
        address: str | None = "/v1/tokens?limit=3"
        while address is not None:
            response = api.get(address)
            names += [token["name"] for token in response.json["data"]]
            address = response.headers["Link"][1:].partition(">")[0] if "Link" in response.headers else None

        assert names == ["5", "4", "3", "2", "1", "0", "tests"]

    @pytest.mark.parametrize(("query", "status"), [("limit=201", 422), ("name=x", 422), ("cursor=", 400), ("cursor=x", 400)])
    def test_a_query_that_is_none_is_refused(self, api: Api, query: str, status: int) -> None:
        assert api.get(f"/v1/tokens?{query}").status_code == status

    def test_any_token_may_see_itself(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["segments:read"], "expires_at": "2999-01-01T00:00:00Z"}).json

        response = Api(api.app, token=made.pop("token")).get("/v1/tokens/self")

        assert response.status_code == 200
        assert response.json == made | {"last_used_at": response.json["last_used_at"]}
        assert response.json["last_used_at"] is not None


class TestRotate:
    def test_the_id_stays_and_the_new_secret_opens_at_once(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["customers:write"], "expires_at": "2999-01-01T00:00:00Z"}).json
        # It is in use, so this process remembers the former secret.
        assert Api(api.app, token=made["token"]).post("/v1/customers", {}).status_code == 201

        response = api.post(f"/v1/tokens/{made['id']}/rotate", {})

        rotated = response.json
        assert response.status_code == 200
        assert response.headers["Kehu-Position"]
        assert TEXT.fullmatch(rotated["token"])
        assert rotated["token"] != made["token"]
        assert rotated == made | {"token": rotated["token"], "last_used_at": rotated["last_used_at"]}
        assert Api(api.app, token=rotated["token"]).post("/v1/customers", {}).status_code == 201

    def test_the_former_secret_holds_for_the_overlap(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json

        rotated = api.post(f"/v1/tokens/{made['id']}/rotate", {"overlap_seconds": 600}).json

        until = datetime.fromisoformat(rotated["previous_expires_at"])
        assert timedelta(seconds=590) < until - datetime.now(UTC) <= timedelta(seconds=600)
        for text in (made["token"], rotated["token"]):
            assert Api(api.app, token=text).get("/v1/tokens/self").json["previous_expires_at"] == rotated["previous_expires_at"]

    def test_the_former_secret_ends_with_the_overlap(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json
        rotated = api.post(f"/v1/tokens/{made['id']}/rotate", {"overlap_seconds": 1}).json

        wait_until(rotated["previous_expires_at"])

        assert Api(api.app, token=made["token"]).get("/v1/tokens/self").status_code == 401
        assert Api(api.app, token=rotated["token"]).get("/v1/tokens/self").status_code == 200

    def test_without_an_overlap_the_former_secret_ends_at_once(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json

        rotated = api.post(f"/v1/tokens/{made['id']}/rotate").json

        assert rotated["previous_expires_at"] is None
        assert Api(api.app, token=made["token"]).get("/v1/tokens/self").status_code == 401

    def test_a_second_rotation_ends_the_secret_before_the_last(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json
        second = api.post(f"/v1/tokens/{made['id']}/rotate", {"overlap_seconds": 600}).json
        third = api.post(f"/v1/tokens/{made['id']}/rotate", {"overlap_seconds": 600}).json

        statuses = [Api(api.app, token=token["token"]).get("/v1/tokens/self").status_code for token in (made, second, third)]

        assert statuses == [401, 200, 200]

    def test_a_token_may_rotate_itself(self, api: Api) -> None:
        own = api.get("/v1/tokens/self").json["id"]

        rotated = api.post(f"/v1/tokens/{own}/rotate").json

        assert Api(api.app, token=rotated["token"]).get("/v1/tokens").status_code == 200

    @pytest.mark.parametrize("token_id", [NOBODY, "self"])
    def test_an_unknown_id_is_404(self, api: Api, token_id: str) -> None:
        assert api.post(f"/v1/tokens/{token_id}/rotate").status_code == 404

    @pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", True, None, 10**30])
    def test_another_overlap_is_422(self, api: Api, overlap: object) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json

        response = api.request(
            "POST", f"/v1/tokens/{made['id']}/rotate", data=f'{{"overlap_seconds": {json.dumps(overlap)}}}', content_type="application/json"
        )

        assert list(pointers(response)) == ["/overlap_seconds"]
        assert Api(api.app, token=made["token"]).get("/v1/tokens/self").status_code == 200


class TestRevoke:
    def test_a_revoked_token_is_gone_and_opens_nothing(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json

        response = api.delete(f"/v1/tokens/{made['id']}")

        assert response.status_code == 204
        assert response.headers["Kehu-Position"]
        assert api.get(f"/v1/tokens/{made['id']}").status_code == 404
        assert Api(api.app, token=made["token"]).get("/v1/tokens/self").status_code == 401

    def test_revoking_again_is_404(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"]}).json
        api.delete(f"/v1/tokens/{made['id']}")

        assert api.delete(f"/v1/tokens/{made['id']}").status_code == 404

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.delete(f"/v1/tokens/{NOBODY}").status_code == 404

    def test_a_token_may_revoke_itself(self, api: Api) -> None:
        own = api.get("/v1/tokens/self").json["id"]

        assert api.delete(f"/v1/tokens/{own}").status_code == 204


class TestExpiry:
    def test_an_expired_token_opens_nothing_though_it_was_just_in_use(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"], "expires_at": soon(1.5)}).json
        short = Api(api.app, token=made["token"])
        assert short.get("/v1/tokens/self").status_code == 200

        wait_until(made["expires_at"])

        response = short.get("/v1/tokens/self")
        assert response.status_code == 401
        assert problem(response)["code"] == "unauthenticated"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    def test_an_expired_token_is_still_listed_and_can_be_revoked(self, api: Api) -> None:
        made = api.post("/v1/tokens", {"name": "x", "scopes": ["*"], "expires_at": soon(0.2)}).json
        wait_until(made["expires_at"])

        assert api.get(f"/v1/tokens/{made['id']}").json["expires_at"] == made["expires_at"]
        assert api.delete(f"/v1/tokens/{made['id']}").status_code == 204


def wait_until(moment: str) -> None:
    left = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    time.sleep(max(0.0, left) + 0.05)
