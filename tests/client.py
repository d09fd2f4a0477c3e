"""Calls the API as a program would: a token, JSON in, JSON out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import orjson
from flask import Flask
from werkzeug.test import TestResponse

from app.core.caller import command_line
from app.db import unit_of_work
from app.db.unit_of_work import UnitOfWork
from app.tokens import service
from tests.contract import checker


class Api:
    """A token's way to the API. `json=` is sent as JSON with its content type; other arguments go to werkzeug's client."""

    def __init__(self, app: Flask, *, scopes: Sequence[str] = ("*",), token: str | None = None) -> None:
        self.app = app
        self.token = make_token(app, *scopes) if token is None else token
        self._client = app.test_client()

    def with_scopes(self, *scopes: str) -> Api:
        """Another token over the same application."""
        return Api(self.app, scopes=scopes)

    def anonymous(self) -> Api:
        return Api(self.app, token="")

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, json: Any = None, **kwargs: Any) -> TestResponse:
        return self.request("POST", path, json=json, **kwargs)

    def put(self, path: str, json: Any = None, **kwargs: Any) -> TestResponse:
        return self.request("PUT", path, json=json, **kwargs)

    def patch(self, path: str, json: Any = None, **kwargs: Any) -> TestResponse:
        return self.request("PATCH", path, json=json, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("DELETE", path, **kwargs)

    def request(self, method: str, path: str, *, json: Any = None, headers: dict[str, str] | None = None, **kwargs: Any) -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent |= headers or {}
        if json is not None:
            kwargs |= {"data": orjson.dumps(json), "content_type": kwargs.pop("content_type", "application/json")}
        # Buffered, so that the answer is closed, and its place in the process free, before the next call.
        response = self._client.open(path, method=method, headers=sent, buffered=True, **kwargs)
        checker.check(self.app, response)
        return response


def make_token(app: Flask, *scopes: str) -> str:
    """The text of a new token, made as `kehu tokens create` makes one."""

    def make(unit: UnitOfWork) -> str:
        made = service.create(unit, command_line("tests"), name="tests", scopes=scopes, expires_at=None)
        assert made.token is not None
        return made.token

    return unit_of_work.run(app.extensions["kehu"].database, time.monotonic() + 10, make)


def problem(response: TestResponse) -> dict[str, Any]:
    """The problem document that `response` carries; fails where it is none."""
    assert response.content_type == "application/problem+json", response.get_data(as_text=True)
    document = response.json
    assert isinstance(document, dict)
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:kehu:problem:{document['code']}"
    return document


def pointers(response: TestResponse) -> dict[str, str]:
    """Of a 422: each pointer and its code."""
    assert response.status_code == 422, response.get_data(as_text=True)
    return {fault["pointer"]: fault["code"] for fault in problem(response)["errors"]}
