"""Protects speed on a long history: timelines, lists and what a metric falls back to each read the beginning of one index range."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.contact_history import metric_queries
from app.contact_history.metrics import EXTREMES
from app.core import search
from app.core.ids import new_id
from app.db.engines import driver_connection
from tests import statements
from tests.builders import LONG_AGO, database, insert_customers
from tests.client import Api
from tests.customers.test_plans import CHARACTERS

LONG, CUSTOMERS, SHORT = 20_000, 300, 10
RARE = "退货"


def fill(app: Flask) -> list[str]:
    """One customer with a long history and many with a short one; the ids, the long one's first."""
    owners = insert_customers(app, ({} for _ in range(1 + CUSTOMERS)))
    columns = "id, customer_id, kind, direction, subject, agent, occurred_at, version, created_at, updated_at, deleted_at, xid"
    numbers = [(owners[0], number) for number in range(LONG)]
    numbers += [(owner, number) for owner in owners[1:] for number in range(SHORT)]
    dice = random.Random(1)
    with database(app) as connection, driver_connection(connection).cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        with cursor.copy(f"COPY contact_history ({columns}, search_text, search_grams) FROM STDIN") as copy:
            for owner, number in numbers:
                moment = LONG_AGO + timedelta(minutes=number)
                word = RARE if (owner, number) == (owners[0], 0) else "".join(dice.choices(CHARACTERS, k=4))
                grams = search.search_grams(word)
                # Rare, and at the very beginning of the long history: one return, one order, one inbound, one outbound.
                kind = "return" if number == 1 else "order" if number == 2 else "call"
                direction = {3: "inbound", 4: "outbound"}.get(number)
                agent = f"agent{number % 100}"
                gone = moment if number % 1000 == 500 else None
                copy.write_row((new_id(), owner, kind, direction, word, agent, moment, 1, moment, moment, gone, 3, word, grams))
        # VACUUM, which autovacuum does in time: what is new is in a list of its own in the index of the grams, to be read whole.
        cursor.execute("VACUUM (ANALYZE) contact_history, customers")
        cursor.execute("RESET statement_timeout")
    return owners


@contextmanager
def analysed(app: Flask) -> Iterator[list[dict[str, Any]]]:
    """The plans, with what they really read, of all statements about interactions inside the block."""
    plans: list[dict[str, Any]] = []
    with statements.noted(app, "contact_history") as run:
        yield plans
    with database(app) as connection:
        driver: psycopg.Connection[Any] = driver_connection(connection)
        for statement, parameters in run:
            # The application asks the planner itself which of two to send.
            if not statement.startswith("EXPLAIN"):
                plans.append(statements.explained(driver, statement, parameters, "ANALYZE, FORMAT JSON"))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def indexes(plans: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for plan in plans for node in nodes(plan) if "Index Name" in node} - {"pk_customers"}


def rows_read(plans: list[dict[str, Any]]) -> int:
    """The most interactions that any part of the plans gave or threw away."""
    scans = [node for plan in plans for node in nodes(plan) if node.get("Relation Name") == "contact_history"]
    return max(int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]) for node in scans)


class TestPlans:
    @pytest.fixture(autouse=True)
    def owners(self, app: Flask) -> list[str]:
        return fill(app)

    def test_every_read_is_one_index_range(self, api: Api, owners: list[str]) -> None:
        timeline = f"/v1/customers/{owners[0]}/contact-history"
        addresses = {
            f"{timeline}?": "ix_contact_history_timeline",
            f"{timeline}?sort=occurred_at": "ix_contact_history_timeline",
            f"{timeline}?occurred_after=2024-01-02T00:00:00Z&occurred_before=2024-01-02T00:30:00Z": "ix_contact_history_timeline",
            f"{timeline}?kind=return": "ix_contact_history_kind",
            f"{timeline}?kind=call": "ix_contact_history_kind",
            f"{timeline}?direction=inbound": "ix_contact_history_direction",
            "/v1/contact-history?": "ix_contact_history_occurred_at",
            "/v1/contact-history?agent=agent7": "ix_contact_history_agent",
            f"/v1/contact-history?q={quote(RARE)}": "ix_contact_history_search_grams",
            "/v1/contact-history?deleted=only": "ix_contact_history_deleted",
            f"/v1/contact-history?customer_id={owners[0]}": "ix_contact_history_timeline",
        }

        found = {}
        for address in addresses:
            with analysed(api.app) as plans:
                response = api.get(f"{address}&limit=20" if "?" in address else address)
            assert response.status_code == 200
            found[address] = (indexes(plans), rows_read(plans) <= 100, len(plans))

        assert found == {address: ({index}, True, 1) for address, index in addresses.items()}

    def test_a_page_deep_in_a_long_history_reads_no_more_than_the_first(self, api: Api, owners: list[str]) -> None:
        timeline = f"/v1/customers/{owners[0]}/contact-history"
        cursor = api.get(f"{timeline}?limit=200&occurred_before=2024-01-10T00:00:00Z").json["next_cursor"]

        with analysed(api.app) as plans:
            api.get(f"{timeline}?limit=20&occurred_before=2024-01-10T00:00:00Z&cursor={cursor}")

        assert indexes(plans) == {"ix_contact_history_timeline"}
        assert rows_read(plans) <= 100

    def test_an_interaction_by_its_id_is_found_by_an_index(self, api: Api, owners: list[str]) -> None:
        entry = api.get(f"/v1/customers/{owners[0]}/contact-history?limit=1&sort=occurred_at").json["data"][0]["id"]

        with analysed(api.app) as plans:
            assert api.get(f"/v1/contact-history/{entry}").status_code == 200

        assert indexes(plans) == {"ix_contact_history_id"}

    @pytest.mark.parametrize("name", EXTREMES)
    def test_what_a_metric_falls_back_to_is_the_end_of_an_index(self, api: Api, owners: list[str], name: str) -> None:
        with analysed(api.app) as plans, database(api.app) as connection:
            metric_queries.find_extremes(connection, UUID(owners[0]), [name])

        expected = {"first_order_at": "kind", "last_order_at": "kind", "last_inbound_at": "direction", "last_outbound_at": "direction"}
        assert indexes(plans) == {f"ix_contact_history_{expected.get(name, 'timeline')}"}
        assert rows_read(plans) <= 2

    def test_all_of_them_are_one_round_trip(self, api: Api, owners: list[str]) -> None:
        with analysed(api.app) as plans, database(api.app) as connection:
            found = metric_queries.find_extremes(connection, UUID(owners[0]), list(EXTREMES))

        assert len(plans) == 1
        assert found["first_order_at"] == found["last_order_at"] == LONG_AGO + timedelta(minutes=2)
        assert found["last_inbound_at"] == LONG_AGO + timedelta(minutes=3)
