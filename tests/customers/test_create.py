"""Protects what a caller gets back from the first write of a customer."""

from __future__ import annotations

from tests.client import Api, pointers, problem


class TestCreate:
    def test_a_new_customer_is_answered_whole_and_normalised(self, api: Api) -> None:
        sent = {"given_name": "Jose\u0301", "email": "Jo@EXAMPLE.com", "phone": "138 1234 5678", "country": "cn", "external_ids": {"shop": "1"}}

        response = api.post("/v1/customers", sent)

        assert response.status_code == 201
        assert response.headers["ETag"] == '"1.0"'
        assert response.headers["Location"] == f"/v1/customers/{response.json['id']}"
        assert response.json == {
            **dict.fromkeys(
                ("display_name", "family_name", "organization_name", "organization_id", "birthday", "gender", "locale", "time_zone")
            ),
            **dict.fromkeys(("lifecycle_stage", "owner", "source", "source_updated_at", "deleted_at")),
            "id": response.json["id"],
            "kind": "person",
            "given_name": "José",
            "email": "Jo@example.com",
            "phone": "+8613812345678",
            "alternate_emails": [],
            "alternate_phones": [],
            "country": "CN",
            "addresses": [],
            "tags": [],
            "status": "active",
            "external_ids": {"shop": "1"},
            "attributes": {},
            "metrics": {
                **dict.fromkeys(("first_contact_at", "last_contact_at", "last_inbound_at", "last_outbound_at")),
                **dict.fromkeys(("first_order_at", "last_order_at")),
                "contact_count": 0,
                "order_count": 0,
                "order_total": {},
            },
            "version": 1,
            "created_at": response.json["created_at"],
            "updated_at": response.json["created_at"],
        }

    def test_an_external_id_that_is_taken_is_409_with_its_holder(self, api: Api) -> None:
        holder = api.post("/v1/customers", {"external_ids": {"shop": "1"}}).json["id"]

        response = api.post("/v1/customers", {"external_ids": {"shop": "1", "erp": "9"}})

        assert response.status_code == 409
        assert problem(response)["existing_id"] == holder
        assert api.get("/v1/customers/by/erp/9").status_code == 404

    def test_an_unknown_field_is_422_with_the_nearest_name(self, api: Api) -> None:
        response = api.post("/v1/customers", {"given_nam": "Li"})

        assert pointers(response) == {"/given_nam": "unknown_field"}
        assert "`given_name`" in problem(response)["errors"][0]["detail"]
