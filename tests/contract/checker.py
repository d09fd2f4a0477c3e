"""Holds every answer that a test sees against the OpenAPI document: a status, a header or a field that it does not declare fails.

`tests.client.Api` asks it after each call, so that what is promised to generated clients is checked wherever anything is tested.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from flask import Flask
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from app.core.times import parse_date, parse_timestamp
from app.web.docs import EXTENSION

# What HTTP itself, and no operation of ours, answers with.
_COMMON_HEADERS = frozenset(("content-type", "content-length", "cache-control", "date", "content-security-policy"))
# The page for people loads these; no client calls them.
_UNDOCUMENTED = ("/docs/assets/",)

_FORMATS: dict[str, Callable[[str], bool]] = {
    "uuid": lambda value: str(UUID(value)) == value,
    "date": lambda value: bool(parse_date(value)),
    "date-time": lambda value: value.endswith("Z") and bool(parse_timestamp(value)),
    "email": lambda value: "@" in value,
}


class Checker:
    """The document of one application, ready to be asked."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._validators: dict[tuple[str, str, str], Draft202012Validator] = {}

    def check(self, app: Flask, response: TestResponse) -> None:
        """Fails where the document does not allow `response`."""
        request = response.request
        # WSGI: the bytes of the path, each as one character.
        path = request.environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        # OPTIONS says which methods there are, and is described nowhere.
        if path.startswith(_UNDOCUMENTED) or request.method == "OPTIONS":
            return
        template = _template(app, path, request.method)
        if template is None:
            # No operation: the routing's own 404 or 405, or the door's 400, which is before the routing.
            assert response.status_code in (400, 404, 405, 503), f"{request.method} {path}: {response.status_code} of no operation"
            self._check_body("", "problem", response, {"$ref": "#/components/schemas/Problem"})
            return
        where = f"{request.method} {template} {response.status_code}"
        operation = self._document["paths"].get(template, {}).get("get" if request.method == "HEAD" else request.method.lower())
        assert operation is not None, f"{where}: the document has no such operation"
        declared = operation["responses"].get(str(response.status_code))
        assert declared is not None, f"{where}: the document does not declare this status"
        self._check_declared(where, request.method, response, self._resolved(declared))

    def _check_declared(self, where: str, method: str, response: TestResponse, declared: dict[str, Any]) -> None:
        known = {name.lower() for name in declared.get("headers", {})} | _COMMON_HEADERS
        unknown = [name for name, _ in response.headers if name.lower() not in known]
        assert not unknown, f"{where}: the document does not declare the headers {unknown}"
        content = declared.get("content")
        if content is None:
            assert not response.get_data(), f"{where}: the document declares no body"
            assert "Content-Type" not in response.headers, f"{where}: a type without a body"
            return
        assert response.mimetype in content, f"{where}: the document does not declare {response.mimetype}"
        if method != "HEAD":
            self._check_body(where, response.mimetype, response, content[response.mimetype].get("schema", {}))

    def _check_body(self, where: str, mimetype: str, response: TestResponse, schema: dict[str, Any]) -> None:
        key = (where, mimetype, orjson.dumps(schema).decode())
        if key not in self._validators:
            self._validators[key] = Draft202012Validator(self.strict(schema), format_checker=_format_checker())
        raw = response.get_data()
        # A stream of lines is text to the document.
        value = orjson.loads(raw) if response.mimetype.endswith(("/json", "+json")) else raw.decode()
        faults = [f"{fault.json_path}: {fault.message}" for fault in self._validators[key].iter_errors(value)]
        assert not faults, f"{where}: {faults[:5]}"

    def strict(self, schema: Any, within: tuple[str, ...] = ()) -> Any:
        """The schema with its references in place, and closed: what it does not name is not allowed. One that comes round to itself, as
        a tree does, is looked at for three levels."""
        if isinstance(schema, list):
            return [self.strict(item, within) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if within.count(schema.get("$ref", "")) > 3:
            return {}
        within = (*within, schema["$ref"]) if "$ref" in schema else within
        schema = self._resolved(schema)
        closed = {name: self.strict(part, within) for name, part in schema.items()}
        # A problem document may carry data of its own (RFC 9457); the document says so.
        if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
            closed["additionalProperties"] = False
        return closed

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            found: Any = self._document
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            # Beside a reference OpenAPI 3.1 allows further keywords.
            value = {**found, **{name: part for name, part in value.items() if name != "$ref"}}
        return value


def check(app: Flask, response: TestResponse) -> None:
    _checker_of(app).check(app, response)


@cache
def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, holds in _FORMATS.items():
        # A format is about texts; null and the like are the type's concern.
        checker.checks(name, raises=ValueError)(lambda value, holds=holds: not isinstance(value, str) or holds(value))
    return checker


@cache
def _checker_of(app: Flask) -> Checker:
    return Checker(app.extensions[EXTENSION])


def _template(app: Flask, path: str, method: str) -> str | None:
    """The address as the document writes it, None where there is no such operation."""
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method=method, return_rule=True)
    except HTTPException:
        return None
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
