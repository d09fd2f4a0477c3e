"""Protects the OpenAPI document: valid, the same in the file and from the service, and true of what is sent and answered."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import factory
from app.cli.openapi import written
from app.core.caller import SCOPES
from tests.builders import customer, whole_customer
from tests.client import Api
from tests.contract.checker import Checker
from tests.live import ROOT

FILE = ROOT / "openapi" / "openapi.json"


class TestFile:
    def test_the_file_is_what_the_code_says(self) -> None:
        # Where this fails: make openapi.
        assert orjson.loads(FILE.read_bytes()) == factory.document()
        assert FILE.read_bytes() == written()

    def test_the_service_answers_the_same(self, api: Api) -> None:
        response = api.anonymous().get("/openapi.json")

        assert response.status_code == 200
        assert response.content_type == "application/json"
        assert response.json == factory.document()

    def test_it_is_openapi_3_1(self) -> None:
        document = factory.document()

        assert document["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(document).validate()

    def test_every_schema_is_a_json_schema(self) -> None:
        for name, schema in factory.document()["components"]["schemas"].items():
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object", name

    def test_no_schema_is_declared_that_nobody_uses(self) -> None:
        document = factory.document()
        used = set(re.findall(r'"\$ref":"#/components/(\w+)/([^"]+)"', orjson.dumps(document).decode()))

        unused = [name for name in document["components"]["schemas"] if ("schemas", name) not in used]

        assert unused == []

    def test_answers_may_grow_and_requests_may_not(self) -> None:
        # A client that was generated yesterday must not choke on a field that is new today.
        schemas = factory.document()["components"]["schemas"]

        assert schemas["Customer"].get("additionalProperties", True) is True
        assert schemas["CustomerCreate"]["additionalProperties"] is False


class TestService:
    def test_what_needs_no_token_is_described_and_true(self, api: Api) -> None:
        # The client holds each answer against the document.
        anonymous = api.anonymous()

        statuses = {
            path: anonymous.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/meta/limits")
        }

        assert set(statuses.values()) == {200}

    def test_the_limits_are_named_one_by_one(self, api: Api) -> None:
        shown = api.get("/v1/meta/limits").json

        described = factory.document()["paths"]["/v1/meta/limits"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert set(described["properties"]) == set(shown) == set(described["required"])
        assert shown["page_max"] == 200
        assert shown["body_bytes_max"] == 1_048_576

    @pytest.mark.parametrize(("query", "accept", "status"), [("?x=1", "*/*", 422), ("", "text/html", 406)])
    def test_the_limits_refuse_what_all_refuse(self, api: Api, query: str, accept: str, status: int) -> None:
        assert api.get(f"/v1/meta/limits{query}", headers={"Accept": accept}).status_code == status

    def test_the_page_for_people_loads_nothing_from_elsewhere(self, api: Api) -> None:
        page = api.get("/docs")

        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
        assert loaded
        assert all(path.startswith("/docs/assets/") for path in loaded)
        assert [api.get(path).status_code for path in loaded] == [200] * len(loaded)
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    def test_an_asset_that_is_not_there_is_404(self, api: Api) -> None:
        assert api.get("/docs/assets/x.js").status_code == 404


class TestScopes:
    def test_every_scope_that_an_operation_needs_can_be_given_to_a_token(self) -> None:
        document = factory.document()
        granted = set(document["components"]["schemas"]["TokenCreate"]["properties"]["scopes"]["items"]["enum"])

        needed = {
            scope
            for path in document["paths"].values()
            for operation in path.values()
            if isinstance(operation, dict)
            for scheme in operation.get("security", [])
            for scope in scheme.get("token", [])
        }

        assert needed <= granted == {*SCOPES, "*"}


class TestRequests:
    @pytest.mark.parametrize("name", ["CustomerCreate", "CustomerPatch"])
    def test_what_the_service_takes_the_document_allows(self, api: Api, name: str) -> None:
        sent = whole_customer(organization_id=customer(api)["id"])
        schema = Checker(factory.document()).strict({"$ref": f"#/components/schemas/{name}"})

        faults = [fault.message for fault in Draft202012Validator(schema).iter_errors(sent)]

        assert faults == []
        assert api.post("/v1/customers", sent).status_code == 201

    def test_a_customer_may_be_sent_back_as_it_was_read(self, api: Api) -> None:
        # But for the fields that are ours.
        made = customer(api, **whole_customer())
        ours = ("id", "metrics", "version", "created_at", "updated_at", "deleted_at")

        response = api.patch(f"/v1/customers/{made['id']}", {name: value for name, value in made.items() if name not in ours})

        assert response.json == made


class TestChecker:
    """The checker itself bites."""

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda response: setattr(response, "status_code", 418),
            lambda response: response.headers.set("X-New", "1"),
            lambda response: response.headers.set("Content-Type", "text/plain"),
            lambda response: _replace(response, lambda body: body | {"surprise": 1}),
            lambda response: _replace(response, lambda body: {name: value for name, value in body.items() if name != "email"}),
            lambda response: _replace(response, lambda body: body | {"created_at": "2024-01-01T00:00:00+08:00"}),
            lambda response: _replace(response, lambda body: body | {"metrics": body["metrics"] | {"surprise": 1}}),
            lambda response: _replace(response, lambda body: body | {"version": "1"}),
            lambda response: _replace(response, lambda body: body | {"addresses": [{"city": "X"}]}),
        ],
    )
    def test_what_is_not_declared_fails(self, api: Api, spoil: Any) -> None:
        made = customer(api)
        response = api.get(f"/v1/customers/{made['id']}")
        spoil(response)

        with pytest.raises(AssertionError, match=r"GET /v1/customers/\{customer_id\}"):
            Checker(factory.document()).check(api.app, response)


def _replace(response: Any, change: Any) -> None:
    response.set_data(orjson.dumps(change(response.json)))
