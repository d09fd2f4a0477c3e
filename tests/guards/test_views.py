"""Guards that every view of a feature goes through the one frame: token, scope, gate, schema, unit of work."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from flask import Flask

from app.core.caller import SCOPES
from tests.client import Api, problem
from tests.guards.operations import METHODS, NOBODY, STREAM, Operation, features
from tests.tokens.test_look_up import statements


class TestFrame:
    def test_every_view_is_wrapped_by_reads_or_writes(self, app: Flask) -> None:
        bare = []
        for rule in app.url_map.iter_rules():
            if not rule.rule.startswith("/v1/") or rule.rule.startswith("/v1/meta/"):
                continue
            view = getattr(app.view_functions[rule.endpoint], "view_class", None)
            for method in METHODS:
                handler = getattr(view, method, None)
                if handler is None and view is not None:
                    continue
                # Only the frame writes this; the view itself is below it.
                if (
                    view is None
                    or "operationId" not in getattr(handler, "_apidoc", {}).get("manual_doc", {})
                    or not hasattr(handler, "__wrapped__")
                ):
                    bare.append(f"{method} {rule.rule}")

        assert bare == []


class TestAccess:
    @pytest.mark.parametrize("operation", features())
    def test_without_a_token_it_is_401_whatever_else_is_wrong(self, api: Api, operation: Operation) -> None:
        response = api.anonymous().request(
            operation.method.upper(),
            f"{operation.address}?nonsense=1",
            data=b"{",
            content_type="text/plain",
            headers={"Accept": "text/html"},
        )

        assert response.status_code == 401
        assert problem(response)["code"] == "unauthenticated"
        assert "WWW-Authenticate" in response.headers

    @pytest.mark.parametrize("operation", [one for one in features() if one.values[0].scope is not None])
    def test_without_its_scope_it_is_403_naming_it_and_nothing_is_asked_of_the_database(self, api: Api, operation: Operation) -> None:
        for missing in operation.scopes:
            lacking = api.with_scopes(*(scope for scope in SCOPES if scope != missing))
            lacking.get("/v1/tokens/self")

            with statements(api.app, about="") as asked:
                response = lacking.request(operation.method.upper(), operation.address, data=b"{", content_type="text/plain")

            assert response.status_code == 403
            assert problem(response)["code"] == "scope_missing"
            assert problem(response)["scope"] == missing
            assert asked == []

    @pytest.mark.parametrize("operation", [one for one in features() if one.values[0].scope is not None])
    def test_its_scopes_alone_are_enough(self, api: Api, operation: Operation) -> None:
        client = api.with_scopes(*operation.scopes)

        response = client.request(operation.method.upper(), operation.address, **operation.something)

        assert response.status_code not in (401, 403)


class TestGate:
    @pytest.mark.parametrize("operation", features())
    def test_another_type_of_answer_is_406(self, api: Api, operation: Operation) -> None:
        response = api.request(operation.method.upper(), operation.address, headers={"Accept": "text/html"})

        assert response.status_code == 406

    @pytest.mark.parametrize("operation", features())
    def test_an_unknown_parameter_is_422(self, api: Api, operation: Operation) -> None:
        response = api.request(operation.method.upper(), f"{operation.address}?nonsense=1", **operation.something)

        assert response.status_code == 422
        assert "query.nonsense" in [fault["pointer"] for fault in problem(response)["errors"]] or operation.takes_body

    @pytest.mark.parametrize("operation", [one for one in features() if one.values[0].takes_body])
    def test_a_body_is_checked_before_anything_is_looked_for(self, api: Api, operation: Operation) -> None:
        statuses = {}
        for case, (data, kind) in {
            "type": (b"{}", "text/plain"),
            "form": (b"a=1", "application/x-www-form-urlencoded"),
            "json": (b"{", "application/json"),
            "object": (b"[]", "application/json"),
            "unknown": (b'{"nonsense": 1}', "application/json"),
            "size": (b'{"a": "' + b"x" * operation.body_max_bytes + b'"}', "application/json"),
        }.items():
            statuses[case] = api.request(operation.method.upper(), operation.address, data=data, content_type=kind).status_code

        assert statuses == {"type": 415, "form": 415, "json": 400, "object": 422, "unknown": 422, "size": 413}

    @pytest.mark.parametrize("operation", [one for one in features() if one.values[0].takes_stream])
    def test_a_stream_of_another_type_is_415_and_with_a_key_422(self, api: Api, operation: Operation) -> None:
        method, address = operation.method.upper(), operation.address
        types = ("application/json", "text/plain", "application/x-www-form-urlencoded", f"{STREAM}; charset=gbk")

        refused = {kind: api.request(method, address, data=b"{}", content_type=kind).status_code for kind in types}
        zipped = api.request(method, address, data=b"{}", content_type=STREAM, headers={"Content-Encoding": "br"})
        keyed = api.request(method, address, data=b"{}", content_type=STREAM, headers={"Idempotency-Key": "k"})

        assert refused == dict.fromkeys(types, 415)
        assert zipped.status_code == 415
        assert keyed.status_code == 422
        assert problem(keyed)["code"] == "idempotency_not_supported"

    @pytest.mark.parametrize(
        "operation", [one for one in features() if one.values[0].writes and "requestBody" not in one.values[0].described]
    )
    def test_a_body_where_none_is_taken_is_422(self, api: Api, operation: Operation) -> None:
        response = api.request(operation.method.upper(), operation.address, json={"nonsense": 1})

        assert response.status_code == 422

    @pytest.mark.parametrize("operation", [one for one in features() if 404 in one.values[0].statuses])
    def test_what_is_not_there_is_404(self, api: Api, operation: Operation) -> None:
        asked = {"mode": "update"} if "mode" in operation.parameters else dict.fromkeys(operation.required, NOBODY)
        address = f"{operation.address}?{urlencode(asked)}"

        response = api.request(operation.method.upper(), address, json=operation.least_body)

        assert response.status_code == 404
        assert problem(response)["code"] == "not_found"

    def test_another_method_is_405_with_those_that_there_are(self, api: Api) -> None:
        offered: dict[str, set[str]] = {}
        for one in features():
            offered.setdefault(one.values[0].address, set()).add(one.values[0].method.upper())
        # To any other method `self` is an id like any other.
        for address in offered:
            parent, _, name = address.rpartition("/")
            if name == "self":
                offered[address] = offered[address] | offered.get(f"{parent}/{NOBODY}", set())

        for address, methods in offered.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} - methods:
                response = api.anonymous().request(method, address)
                assert response.status_code == 405, f"{method} {address}"
                assert methods <= set(response.headers["Allow"].split(", ")), f"{method} {address}"
