"""Protects the price of a write: what is defined of attributes costs no round trip, and where something is defined, one per process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from app.db.wire import Wire
from tests.attributes.test_attributes import define
from tests.builders import customer
from tests.client import Api
from tests.customers.bulk.calls import batch, load

NEW = "/v1/customers/by/shop/new"
KNOWN = "/v1/customers/by/shop/1"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that goes to the server from now on, BEGIN and COMMIT among them."""
    found: list[str] = []

    def note(kind: type, name: str) -> None:
        run = getattr(kind, name)

        def noting(own: Any, query: Any, *arguments: Any, **options: Any) -> Any:
            found.append(str(getattr(query, "sql", query)))
            return run(own, query, *arguments, **options)

        monkeypatch.setattr(kind, name, noting)

    note(psycopg.Cursor, "execute")
    note(psycopg.Cursor, "copy")
    note(Wire, "execute")
    note(Wire, "command")
    return found


@contextmanager
def counted(asked: list[str], *, most: int) -> Iterator[None]:
    asked.clear()
    yield
    assert len(asked) == most, asked


def write(api: Api, asked: list[str], made: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Every kind of single write, in as many statements as it has always taken."""
    with counted(asked, most=3):
        assert api.post("/v1/customers", {"attributes": attributes}).status_code == 201
    with counted(asked, most=5):
        assert api.put(NEW, {"attributes": attributes}).status_code == 201
    with counted(asked, most=5):
        assert api.put(KNOWN, {"owner": "anna", "attributes": attributes}).json["version"] == 2
    with counted(asked, most=4):
        assert api.patch(f"/v1/customers/{made['id']}", {"owner": "otto", "attributes": attributes}).json["version"] == 3
    with counted(asked, most=2):
        assert api.put(KNOWN, {"owner": "otto"}).json["version"] == 3


class TestSingle:
    def test_where_nothing_is_defined(self, api: Api, asked: list[str]) -> None:
        made = customer(api, external_ids={"shop": "1"})

        write(api, asked, made, {"tier": "gold"})

    def test_where_something_is_defined_it_is_read_once(self, api: Api, asked: list[str]) -> None:
        made = customer(api, external_ids={"shop": "1"})
        define(api, "tier", "string", required=True)

        with counted(asked, most=4):
            customer(api, attributes={"tier": "x"})

        write(api, asked, made, {"tier": "gold"})


class TestMany:
    def test_a_batch_asks_as_often_for_a_thousand_as_for_one(self, api: Api, asked: list[str]) -> None:
        define(api, "tier", "string")
        counts = []
        for many in (1, 300):
            batch(api, {"op": "create", "data": {"attributes": {"tier": "x"}}})
            asked.clear()
            batch(api, *[{"op": "create", "data": {"attributes": {"tier": "x"}}} for _ in range(many)])
            counts.append(len(asked))

        assert counts[0] == counts[1]

    def test_a_chunk_asks_as_often_whether_something_is_defined_or_not(self, api: Api, asked: list[str]) -> None:
        counts = []
        for round_, kind in enumerate((None, "string")):
            if kind is not None:
                define(api, "tier", kind)
            # The token and the definitions are read here.
            customer(api)
            lines = [{"external_id": f"{round_}-{number}", "attributes": {"tier": "x"}} for number in range(200)]
            asked.clear()
            load(api, *lines)
            load(api, *lines)
            counts.append(len(asked))

        assert counts[0] == counts[1]
