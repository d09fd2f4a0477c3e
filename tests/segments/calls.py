"""Segments, each with a default for every field, and what tests ask of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.client import Api


def segment(api: Api, name: str = "Finns", rule_text: str | None = "country = 'FI'", **fields: Any) -> dict[str, Any]:
    """A new segment, as the API answers it; static where it has no rule."""
    kind = {"kind": "static"} if rule_text is None else {"rule_text": rule_text}
    response = api.post("/v1/segments", {"name": name, **kind, **fields})
    assert response.status_code == 201, response.get_data(as_text=True)
    return dict(response.json)


def members(api: Api, found: Mapping[str, Any]) -> list[str]:
    """The given names of who is in it, by the time at which they were made."""
    response = api.get(f"/v1/segments/{found['id']}/members", query_string={"sort": "created_at"})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["given_name"] for item in response.json["data"]]


def count(api: Api, found: Mapping[str, Any]) -> int:
    response = api.get(f"/v1/segments/{found['id']}/count")
    assert response.status_code == 200, response.get_data(as_text=True)
    return int(response.json["count"])


def put(api: Api, found: Mapping[str, Any], *customers: Mapping[str, Any]) -> None:
    """Into a static segment."""
    for one in customers:
        response = api.put(f"/v1/segments/{found['id']}/members/{one['id']}")
        assert response.status_code in (200, 201), response.get_data(as_text=True)
