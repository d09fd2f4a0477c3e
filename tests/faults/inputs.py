"""What tests of bad input send, and what they look for afterwards."""

from __future__ import annotations

from werkzeug.test import TestResponse

from tests.client import Api

# An id of the right form that is nobody's.
NOBODY = "019a0000-0000-7000-8000-000000000000"


def send(api: Api, body: bytes, content_type: str | None = "application/json", headers: dict[str, str] | None = None) -> TestResponse:
    """The bytes of a body, on their way to be a customer."""
    return api.request("POST", "/v1/customers", data=body, content_type=content_type, headers=headers)


def stored(api: Api) -> int:
    """How many customers there are, the deleted ones among them."""
    return int(api.get("/v1/customers?count=exact&deleted=include").json["total"])
