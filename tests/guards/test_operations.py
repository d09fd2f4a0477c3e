"""Guards what the document says of every operation: its name, its sentence, its token, and every problem that it may answer."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from flask import Flask

from app import factory
from app.core.caller import SCOPES
from tests.guards.operations import METHODS, Operation, features, operations

# Shows the token that is used, whatever it may do.
FOR_ANY_TOKEN = {"get_own_token"}


class TestDocument:
    def test_every_address_is_in_the_document_and_nothing_else(self, app: Flask) -> None:
        served = {
            (method.lower(), re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule))
            for rule in app.url_map.iter_rules()
            for method in rule.methods or ()
            if method.lower() in METHODS and not rule.rule.startswith("/docs/assets/")
        }

        assert served == {(operation.method, operation.path) for operation in operations()}

    def test_every_operation_has_a_name_of_its_own(self) -> None:
        names = Counter(operation.name for operation in operations())

        assert [name for name, count in names.items() if count > 1 or not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []

    @pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.name) for operation in operations()])
    def test_every_operation_has_a_sentence(self, operation: Operation) -> None:
        summary = operation.described["summary"]

        # Imperative, no full stop.
        assert re.fullmatch(r"[A-Z][^\n]{3,90}[^.\n]", summary), summary
        assert operation.described["tags"]

    @pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.name) for operation in operations()])
    def test_every_parameter_says_its_type_and_every_variable_part_is_one(self, operation: Operation) -> None:
        shared = _document_path(operation).get("parameters", [])
        parameters = [*shared, *operation.described.get("parameters", [])]

        assert all("schema" in parameter for parameter in parameters)
        assert all("null" not in parameter["schema"].get("type", "") for parameter in parameters), "no parameter can be null"
        in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", operation.path))


class TestFeatures:
    @pytest.mark.parametrize("operation", features())
    def test_every_operation_needs_a_token_and_a_scope(self, operation: Operation) -> None:
        assert operation.described["security"] == [{"token": operation.described["security"][0]["token"]}]
        assert set(operation.scopes) <= set(SCOPES)
        assert operation.scopes or operation.name in FOR_ANY_TOKEN

    @pytest.mark.parametrize("operation", features())
    def test_a_read_asks_for_no_scope_to_write_and_a_write_for_one(self, operation: Operation) -> None:
        if operation.scope is not None:
            assert operation.scope.endswith((":write", ":manage") if operation.writes else (":read", ":manage"))

    @pytest.mark.parametrize("operation", features())
    def test_every_problem_is_declared(self, operation: Operation) -> None:
        expected = {400, 401, 406, 422, 500, 503}
        if operation.scope is not None:
            expected.add(403)
        if "_id}" in operation.path and not (operation.method == "put" and "/by/" in operation.path):
            expected.add(404)
        if operation.takes_body or operation.takes_stream:
            expected |= {408, 413, 415}
        if any(parameter["name"] == "If-Match" for parameter in operation.described.get("parameters", [])):
            expected |= {412, 428}

        assert expected - operation.statuses == set()

    @pytest.mark.parametrize("operation", features())
    def test_every_problem_is_a_problem_document(self, operation: Operation) -> None:
        for status, response in operation.described["responses"].items():
            if status == "default" or int(status) >= 400:
                assert list(response) == ["$ref"]

    @pytest.mark.parametrize("operation", features())
    def test_every_write_says_its_position_and_takes_an_idempotency_key(self, operation: Operation) -> None:
        headers = {
            name for status in operation.statuses if status < 300 for name in operation.described["responses"][str(status)]["headers"]
        }
        sent = {parameter["name"] for parameter in operation.described.get("parameters", [])}

        # The answer of an import begins before its first write: its position is in the summary, and a key it does not need. An export
        # names the position that it shows.
        positioned = operation.gives_stream if operation.method == "get" else operation.writes and not operation.takes_stream
        keyed = operation.writes and not operation.takes_stream
        assert ("Kehu-Position" in headers, "Idempotency-Key" in sent) == (positioned, keyed)
        assert "X-Request-Id" in headers


def _document_path(operation: Operation) -> dict[str, list[dict[str, str]]]:
    described: dict[str, list[dict[str, str]]] = factory.document()["paths"][operation.path]
    return described
