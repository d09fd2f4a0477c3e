"""Protects writers who meet at a chosen moment: what the other one wrote in between is neither lost nor hidden."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID

import pytest

from app.contact_history import metric_queries, service
from app.contact_history import queries as entry_queries
from app.contact_history.direct import Direct
from app.core.caller import command_line
from app.core.preconditions import NONE
from app.customers import queries as customer_queries
from app.db.unit_of_work import UnitOfWork
from tests.builders import customer, entry, metrics
from tests.client import Api
from tests.contact_history.bulk.calls import batch, check_metrics
from tests.contact_history.test_metrics import told
from tests.statements import noted


def meet(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, other: Callable[[], object]) -> None:
    """Let `other` happen once, right after `module.name` has read."""
    read = getattr(module, name)
    waiting = [other]

    def read_and_be_overtaken(*arguments: Any) -> Any:
        found = read(*arguments)
        if waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(module, name, read_and_be_overtaken)


@contextmanager
def earlier(api: Api) -> Iterator[UnitOfWork]:
    """A unit that began before whatever the test does next, and so is not held up by the fence; committed at the end of the block.

    Of two writers the fence catches only the one that began first.
    """
    with api.app.extensions["kehu"].database.lease(time.monotonic() + 10) as connection:
        unit = UnitOfWork(connection)
        assert unit.xid
        yield unit
        unit.end()


@pytest.fixture
def owner(api: Api) -> str:
    return str(customer(api)["id"])


class TestCustomer:
    def test_the_answer_to_a_change_shows_the_interaction_that_came_in_between(
        self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ExitStack() as begun:
            unit = begun.enter_context(earlier(api))

            def append() -> None:
                service.create(Direct(unit, command_line("tests")), customer_id=UUID(owner), data={"kind": "order"})
                begun.close()

            meet(monkeypatch, customer_queries, "see_customer_by_id", append)
            response = api.patch(f"/v1/customers/{owner}", {"owner": "anna"})

        assert (response.headers["ETag"], response.json["metrics"]["order_count"]) == ('"2.1"', 1)
        assert api.get(f"/v1/customers/{owner}").json == response.json

    def test_of_a_batch_only_the_metrics_that_changed_in_between_are_worked_out_again(
        self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = str(customer(api)["id"])
        said = {"kind": "order", "amount": "5", "currency": "EUR"}
        with ExitStack() as begun:
            unit = begun.enter_context(earlier(api))

            def append() -> None:
                now = unit.now
                service.create(Direct(unit, command_line("tests")), customer_id=UUID(owner), data={**said, "occurred_at": now})
                begun.close()

            meet(monkeypatch, metric_queries, "list_metered", append)
            with noted(api.app, "customers") as asked:
                sent = batch(api, *({"op": "create", "data": {**said, "customer_id": customer_id}} for customer_id in (owner, other)))

        assert [result["outcome"] for result in sent] == ["created", "created"]
        # Of the batch: read, locked, the one that changed read again, written. The writer in between locked and wrote it.
        assert sum("metrics_version" in statement for statement, _ in asked) == 6
        changes = [(data["before"]["metrics"]["order_count"], data["after"]["metrics_version"]) for data in told(api, owner)]
        assert changes == [(0, 1), (1, 2)]
        assert metrics(api, owner)["order_total"] == {"EUR": "10.00"}
        check_metrics(api.app)

    def test_an_interaction_keeps_the_change_that_came_in_between(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made = entry(api, owner)
        meet(monkeypatch, entry_queries, "get_entry_by_id", lambda: api.patch(f"/v1/customers/{owner}", {"owner": "anna"}))

        api.delete(f"/v1/contact-history/{made['id']}")

        shown = api.get(f"/v1/customers/{owner}")
        assert (shown.headers["ETag"], shown.json["owner"], shown.json["metrics"]["contact_count"]) == ('"2.2"', "anna", 0)

    def test_a_deletion_in_between_is_410_and_nothing_is_written(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made = entry(api, owner)
        meet(monkeypatch, entry_queries, "get_entry_by_id", lambda: api.delete(f"/v1/customers/{owner}"))

        response = api.delete(f"/v1/contact-history/{made['id']}")

        assert response.status_code == 410
        api.post(f"/v1/customers/{owner}/restore")
        assert api.get(f"/v1/contact-history/{made['id']}").json == made


class TestEntry:
    def test_two_corrections_of_different_fields_are_both_kept(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        entry_id = entry(api, owner)["id"]
        with ExitStack() as begun:
            unit = begun.enter_context(earlier(api))

            def correct() -> None:
                data = {"subject": "x"}
                service.patch(Direct(unit, command_line("tests")), entry_id=UUID(entry_id), data=data, restore=False, precondition=NONE)
                begun.close()

            meet(monkeypatch, entry_queries, "get_entry_by_id", correct)
            response = api.patch(f"/v1/contact-history/{entry_id}", {"kind": "order", "amount": "3", "currency": "EUR"})

        assert (response.json["version"], response.json["subject"], response.json["kind"]) == (3, "x", "order")
        assert metrics(api, owner)["order_total"] == {"EUR": "3.00"}

    def test_of_two_corrections_of_one_version_the_later_is_412(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        path = f"/v1/contact-history/{entry(api, owner)['id']}"
        meet(monkeypatch, entry_queries, "get_entry_by_id", lambda: api.patch(path, {"subject": "first"}))

        response = api.patch(path, {"subject": "second"}, headers={"If-Match": '"1"'})

        assert response.status_code == 412
        assert api.get(path).json["subject"] == "first"

    def test_what_is_moved_in_between_is_corrected_where_it_is(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        other = customer(api)["id"]
        path = f"/v1/contact-history/{entry(api, owner)['id']}"
        meet(monkeypatch, entry_queries, "get_entry_by_id", lambda: api.patch(path, {"customer_id": other}))

        response = api.patch(path, {"kind": "order"})

        assert (response.status_code, response.json["customer_id"], response.json["version"]) == (200, other, 3)
        assert (metrics(api, owner)["contact_count"], metrics(api, other)["order_count"]) == (0, 1)

    def test_what_is_moved_in_between_is_read_where_it_is(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        other = customer(api)["id"]
        made = entry(api, owner, source="shop", external_id="1")
        move = {"customer_id": other}
        meet(monkeypatch, entry_queries, "get_holder", lambda: api.patch(f"/v1/contact-history/{made['id']}", move))

        response = api.get("/v1/contact-history/by/shop/1")

        assert (response.status_code, response.json["customer_id"]) == (200, other)

    @pytest.mark.parametrize("change", [{"external_id": None}, {"external_id": "2"}])
    def test_an_id_that_is_given_up_in_between_makes_another(
        self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
    ) -> None:
        made = entry(api, owner, source="shop", external_id="1")
        meet(monkeypatch, entry_queries, "get_holder", lambda: api.patch(f"/v1/contact-history/{made['id']}", change))

        response = api.put("/v1/contact-history/by/shop/1", {"kind": "call", "customer_id": owner})

        assert response.status_code == 201
        assert response.json["id"] != made["id"]

    def test_an_id_that_is_taken_in_between_is_found(self, api: Api, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[dict[str, Any]] = []
        meet(monkeypatch, entry_queries, "get_holder", lambda: made.append(entry(api, owner, source="shop", external_id="1")))

        response = api.put("/v1/contact-history/by/shop/1", {"kind": "call", "customer_id": owner})

        assert (response.status_code, response.json["id"], response.json["version"]) == (200, made[0]["id"], 2)
