"""Batches, imports and exports as callers send them, and what is there afterwards."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Flask

from tests.builders import rows
from tests.client import Api
from tests.live import LiveServer

NDJSON = "application/x-ndjson"


def batch(api: Api, *items: Mapping[str, Any], **query: str) -> list[dict[str, Any]]:
    """The result of each item."""
    response = api.post("/v1/customers/batch", {"items": list(items)}, query_string=query)
    assert response.status_code == 207, response.get_data(as_text=True)
    results: list[dict[str, Any]] = response.json["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    return results


def statuses(results: Sequence[Mapping[str, Any]]) -> list[int]:
    return [result["status"] for result in results]


def codes(results: Iterable[Mapping[str, Any]]) -> list[str | None]:
    """Of each result the code of its problem, None where it has none."""
    return [result.get("problem", {}).get("code") for result in results]


@dataclass(frozen=True, slots=True)
class Imported:
    """The lines of an answer: those of results, and the summary at its end."""

    results: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def outcomes(self) -> list[str]:
        return [result["outcome"] for result in self.results]

    @property
    def counts(self) -> dict[str, int]:
        """What the summary counts, without what there was none of."""
        return {name: count for name, count in self.summary.items() if name != "position" and count}


def ndjson(lines: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def read_import(answer: bytes) -> Imported:
    *results, last = [orjson.loads(line) for line in answer.splitlines()]
    return Imported(results, last["summary"])


def send(api: Api, body: bytes, *, kind: str = NDJSON, **query: str) -> Imported:
    """An import of `body` as it is."""
    response = api.post("/v1/customers/import", data=body, content_type=kind, query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return read_import(response.get_data())


def load(api: Api, *lines: Mapping[str, Any], **query: str) -> Imported:
    """An import of `lines`, whose `source` is shop unless they say so."""
    return send(api, ndjson(lines), **{"source": "shop", **query})


def post_stream(server: LiveServer, path: str, token: str, body: bytes, *, timeout: float = 60) -> tuple[int, bytes]:
    """Status and whole answer of an import on a socket of its own; as far as it came where it was cut. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request("POST", path, body=body, headers={"Authorization": f"Bearer {token}", "Content-Type": NDJSON})
        response = connection.getresponse()
        answer = b""
        try:
            while piece := response.read1(65_536):
                answer += piece
        except (OSError, http.client.HTTPException):
            pass
        return response.status, answer
    finally:
        connection.close()


def export(api: Api, **query: str) -> list[dict[str, Any]]:
    response = api.get("/v1/customers/export", query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return [orjson.loads(line) for line in response.get_data().splitlines()]


def follow(api: Api, after: str | None, **query: Any) -> list[dict[str, Any]]:
    """All events behind a position, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = api.get("/v1/changes", query_string={**({"after": after} if after else {}), **query}).json
        found += page["data"]
        if page["next_position"] == after:
            return found
        after = page["next_position"]


def count_of(app: Flask) -> int:
    return int(rows(app, "SELECT count(*) FROM customers")[0][0])


def everything(app: Flask) -> list[Any]:
    """All that a write may leave behind, to compare what was there before and after one that was refused."""
    return [
        [tuple(row) for row in rows(app, f"SELECT t::text FROM {table} t ORDER BY 1")]
        for table in ("customers", "customer_keys", "events", "idempotency_keys")
    ]
