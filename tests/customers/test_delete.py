"""Protects deletion: soft, repeatable, gone from every list, and undone by a restore that can meet no conflict."""

from __future__ import annotations

import pytest

from tests.builders import customer, events, whole_customer
from tests.client import Api, problem

NOBODY = "01890000-0000-7000-8000-000000000000"


class TestDelete:
    def test_a_deleted_customer_is_gone_from_every_read(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})

        response = api.delete(f"/v1/customers/{made['id']}")

        assert response.status_code == 204
        assert response.get_data() == b""
        assert response.headers["Kehu-Position"]
        assert api.get(f"/v1/customers/{made['id']}").status_code == 410
        assert api.get("/v1/customers/by/shop/1").status_code == 410
        assert api.get("/v1/customers?count=exact").json == {"data": [], "next_cursor": None, "total": 0}
        assert api.get("/v1/customers?external_id=shop:1").json["data"] == []

    def test_deleting_again_is_204_and_no_event(self, api: Api) -> None:
        made = customer(api)
        api.delete(f"/v1/customers/{made['id']}")

        response = api.delete(f"/v1/customers/{made['id']}")

        assert response.status_code == 204
        assert "Kehu-Position" not in response.headers
        assert events(api.app) == ["customer.created", "customer.deleted"]

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.delete(f"/v1/customers/{NOBODY}").status_code == 404

    def test_another_version_is_412_and_nothing_is_deleted(self, api: Api) -> None:
        made = customer(api)

        response = api.delete(f"/v1/customers/{made['id']}", headers={"If-Match": '"2.0"'})

        assert response.status_code == 412
        assert api.get(f"/v1/customers/{made['id']}").json == made

    def test_the_stored_version_is_deleted(self, api: Api) -> None:
        made = customer(api)

        response = api.delete(f"/v1/customers/{made['id']}", headers={"If-Match": '"1.0"'})

        assert response.status_code == 204

    def test_a_body_is_422_and_nothing_is_deleted(self, api: Api) -> None:
        made = customer(api)

        response = api.delete(f"/v1/customers/{made['id']}", json={"hard": True})

        assert response.status_code == 422
        assert api.get(f"/v1/customers/{made['id']}").json == made


class TestRestore:
    def test_a_deleted_customer_comes_back_whole(self, api: Api) -> None:
        made = customer(api, **whole_customer())
        api.delete(f"/v1/customers/{made['id']}")

        response = api.post(f"/v1/customers/{made['id']}/restore")

        assert response.status_code == 200
        assert response.headers["ETag"] == '"3.0"'
        assert response.headers["Kehu-Position"]
        assert response.json == made | {"version": 3, "updated_at": response.json["updated_at"]}
        assert api.get("/v1/customers/by/erp/K-1").json == response.json
        assert events(api.app) == ["customer.created", "customer.deleted", "customer.restored"]

    def test_a_living_customer_stays_as_it_is(self, api: Api) -> None:
        made = customer(api)

        response = api.post(f"/v1/customers/{made['id']}/restore")

        assert response.status_code == 200
        assert response.json == made
        assert "Kehu-Position" not in response.headers
        assert events(api.app) == ["customer.created"]

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        assert api.post(f"/v1/customers/{NOBODY}/restore").status_code == 404

    def test_a_body_is_422(self, api: Api) -> None:
        made = customer(api)

        response = api.post(f"/v1/customers/{made['id']}/restore", {"owner": "anna"})

        assert response.status_code == 422


class TestWriteThatRestores:
    def test_a_patch_may_restore(self, api: Api) -> None:
        made = customer(api)
        api.delete(f"/v1/customers/{made['id']}")

        response = api.patch(f"/v1/customers/{made['id']}?deleted=restore", {"owner": "anna"})

        assert response.status_code == 200
        assert response.json == made | {"owner": "anna", "version": 3, "updated_at": response.json["updated_at"]}
        assert events(api.app) == ["customer.created", "customer.deleted", "customer.restored"]

    def test_a_patch_that_changes_nothing_else_restores_too(self, api: Api) -> None:
        made = customer(api)
        api.delete(f"/v1/customers/{made['id']}")

        response = api.patch(f"/v1/customers/{made['id']}?deleted=restore", {})

        assert response.json["deleted_at"] is None
        assert api.get(f"/v1/customers/{made['id']}").status_code == 200

    def test_a_put_may_restore(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})
        api.delete(f"/v1/customers/{made['id']}")

        response = api.put("/v1/customers/by/shop/1?deleted=restore", {"owner": "anna"})

        assert response.status_code == 200
        assert response.json["id"] == made["id"]
        assert response.json["owner"] == "anna"
        assert response.json["deleted_at"] is None

    def test_a_put_that_may_not_restore_is_410_with_the_customer(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})
        api.delete(f"/v1/customers/{made['id']}")

        response = api.put("/v1/customers/by/shop/1", {"owner": "anna"})

        assert response.status_code == 410
        assert problem(response)["existing_id"] == made["id"]
        assert events(api.app) == ["customer.created", "customer.deleted"]

    def test_a_write_that_may_restore_leaves_the_living_alone(self, api: Api) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}?deleted=restore", {})

        assert response.json == made
        assert events(api.app) == ["customer.created"]

    @pytest.mark.parametrize("value", ["include", "true", ""])
    def test_another_value_of_the_parameter_is_422(self, api: Api, value: str) -> None:
        made = customer(api)

        response = api.patch(f"/v1/customers/{made['id']}?deleted={value}", {})

        assert response.status_code == 422
