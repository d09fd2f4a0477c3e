"""Protects a revocation: whoever is still let in for some seconds must not use them to stay."""

from __future__ import annotations

from tests.client import Api


class TestRevoked:
    def test_a_revoked_token_makes_no_successor(self, api: Api) -> None:
        leaked = api.with_scopes("tokens:manage", "customers:read")
        own = leaked.get("/v1/tokens/self").json["id"]
        other = api.with_scopes("customers:read").get("/v1/tokens/self").json["id"]
        api.delete(f"/v1/tokens/{own}")

        made = leaked.post("/v1/tokens", {"name": "survivor", "scopes": ["customers:read"]})
        rotated = leaked.post(f"/v1/tokens/{other}/rotate")
        revoked = leaked.delete(f"/v1/tokens/{other}")

        assert [made.status_code, rotated.status_code, revoked.status_code] == [401, 401, 401]
        assert api.get(f"/v1/tokens/{other}").status_code == 200

    def test_it_is_not_shown_itself_either(self, api: Api) -> None:
        leaked = api.with_scopes("customers:read")
        own = leaked.get("/v1/tokens/self").json["id"]
        api.delete(f"/v1/tokens/{own}")

        assert leaked.get("/v1/tokens/self").status_code == 401
