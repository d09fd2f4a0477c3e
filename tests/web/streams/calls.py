"""Calls of the feature of no use, without a socket."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
from flask import Flask
from werkzeug.test import TestResponse

from tests.web.streams import feature

NDJSON = "application/x-ndjson"
CSV = "text/csv"


class Things:
    """A client of one application, which makes one of its own where none is given."""

    def __init__(self, app: Flask | None = None, token: str = feature.TOKEN) -> None:
        self.app = app or feature.create_app()
        self.client = self.app.test_client()
        self.token = token
        feature.chunks.clear()

    def send(
        self, body: bytes | list[dict[str, Any]], kind: str = NDJSON, query: str = "", zipped: bool = False, **headers: str
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else b"".join(orjson.dumps(one) + b"\n" for one in body)
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": kind} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if zipped:
            sent["Content-Encoding"] = "gzip"
            data = gzip.compress(data)
        return self.client.post(f"/v1/things/import{query}", data=data, headers=sent, buffered=True)

    def export(self, query: str = "", accept: str = "", method: str = "GET") -> TestResponse:
        sent = {"Authorization": f"Bearer {self.token}"} | ({"Accept": accept} if accept else {})
        return self.client.open(f"/v1/things/export{query}", method=method, headers=sent, buffered=True)


def results(response: TestResponse) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The result lines and the summary."""
    assert response.status_code == 200, response.get_data(as_text=True)
    return parsed(response.get_data())


def parsed(raw: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert raw.endswith(b"\n")
    lines = [orjson.loads(line) for line in raw.splitlines()]
    assert [list(line) == ["summary"] for line in lines] == [False] * (len(lines) - 1) + [True]
    return lines[:-1], lines[-1]["summary"]


def data() -> list[Any]:
    """What the feature was given."""
    return [line.data for chunk in feature.chunks for line in chunk]


def problem_of(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json", response.get_data(as_text=True)
    document = orjson.loads(response.get_data())
    return response.status_code, document["code"]
