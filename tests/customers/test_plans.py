"""Protects the speed of lists on large tables: every narrowing that promises an index is answered by that index."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, text

from app.core import search
from app.core.ids import new_id
from app.customers import listing
from app.customers.listing import CustomerFilter, CustomerOrder
from app.customers.models import Customer
from app.db.engines import driver_connection
from tests import statements
from tests.builders import LONG_AGO, database
from tests.client import Api

COUNT = 20_000
COLUMNS = (
    "id, kind, display_name, email, email_key, phone, country, owner, tags, version, created_at, updated_at, deleted_at, "
    "search_text, search_grams, xid"
)
# 700 characters, the first far more frequent than the last, as in real names.
CHARACTERS = [chr(0x4E00 + 7 * number) for number in range(700)]
WEIGHTS = [1 / (number + 5) for number in range(700)]
RARE = CHARACTERS[600]


def copy_customers(app: Flask, count: int) -> None:
    """Customers with names of two and three characters, put into the table as an import would, and counted by ANALYZE."""
    dice = random.Random(1)
    with database(app) as connection, driver_connection(connection).cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        with cursor.copy(f"COPY customers ({COLUMNS}) FROM STDIN") as copy:
            for number in range(count):
                name = "".join(dice.choices(CHARACTERS, WEIGHTS, k=dice.choice((2, 3, 3))))
                email, phone = f"user{number}@mail{number % 50}.example", f"+86138{number:08}"
                sought = search.search_text([name, email, phone])
                moment = LONG_AGO + timedelta(seconds=number)
                country = "CN" if number % 100 else "FI"
                owner = f"owner{number % 400}" if number % 2 else None
                deleted_at = moment if number % 1000 == 0 else None
                known = (new_id(), "person", name, email, email, phone, country, owner, [f"tag{number % 500}"])
                copy.write_row((*known, 1, moment, moment, deleted_at, sought, search.search_grams(sought), 3))
        cursor.execute("INSERT INTO customer_keys SELECT 'shop', display_name || email, id FROM customers")
        cursor.execute("ANALYZE customers, customer_keys")
        cursor.execute("RESET statement_timeout")


@contextmanager
def explained(app: Flask) -> Iterator[list[dict[str, Any]]]:
    """The plans of all statements that the application runs inside the block."""
    plans: list[dict[str, Any]] = []
    with statements.noted(app, "FROM customer") as run:
        yield plans
    with database(app) as connection:
        driver: psycopg.Connection[Any] = driver_connection(connection)
        for statement, parameters in run:
            plans.append(statements.explained(driver, statement, parameters))


def indexes_of(plan: dict[str, Any]) -> set[str]:
    """The indexes that a plan reads, and `Seq Scan` and `Sort` where it does that."""
    found = {plan["Index Name"]} if "Index Name" in plan else set()
    found |= {plan["Node Type"]} & {"Seq Scan", "Sort", "Incremental Sort"}
    return found.union(*(indexes_of(below) for below in plan.get("Plans", [])))


def asked(api: Api, query: dict[str, str]) -> set[str]:
    with explained(api.app) as plans:
        assert api.get("/v1/customers", query_string=query).status_code == 200
    return set().union(*map(indexes_of, plans)) - {"Sort", "Incremental Sort"}


class TestPlans:
    @pytest.fixture(autouse=True)
    def many(self, app: Flask) -> None:
        copy_customers(app, COUNT)

    def test_every_narrowing_is_answered_by_its_index(self, api: Api) -> None:
        with database(api.app) as connection:
            row = connection.execute(
                text("SELECT display_name, email FROM customers WHERE length(display_name) = 3 AND display_name LIKE :name LIMIT 1"),
                {"name": f"%{RARE}%"},
            ).one()
        queries = {
            "q, one character": {"q": RARE},
            "q, two characters": {"q": row.display_name[:2]},
            "q, three characters": {"q": row.display_name},
            "q, an e-mail": {"q": row.email},
            "q, a part of an e-mail": {"q": "user1234"},
            "q, a phone": {"q": "138 0000 1234"},
            "email": {"email": row.email.upper()},
            "phone": {"phone": "+8613800001234"},
            "external_id": {"external_id": f"shop:{row.display_name}{row.email}"},
            "tag": {"tag": "tag7"},
            "owner": {"owner": "owner7", "sort": "updated_at"},
            "country": {"country": "FI", "sort": "-updated_at"},
            "deleted": {"deleted": "only"},
            "newest": {},
            "oldest": {"sort": "created_at"},
            "changed": {"updated_after": "2024-01-01T05:00:00Z", "sort": "updated_at"},
        }

        plans = {name: asked(api, query) for name, query in queries.items()}

        assert plans == {
            **{name: {"ix_customers_search_grams"} for name in queries if name.startswith("q,")},
            "email": {"ix_customers_email_key"},
            "phone": {"ix_customers_phone"},
            "external_id": {"pk_customer_keys", "pk_customers"},
            "tag": {"ix_customers_tags"},
            "owner": {"ix_customers_owner"},
            "country": {"ix_customers_country"},
            "deleted": {"ix_customers_deleted"},
            "newest": {"ix_customers_created_at"},
            "oldest": {"ix_customers_created_at"},
            "changed": {"ix_customers_updated_at"},
        }

    def test_a_page_is_planned_once_for_all_values(self, app: Flask) -> None:
        with database(app) as connection:
            for _ in range(20):
                found = listing.list_customers(
                    connection, narrowed=CustomerFilter(country="FI"), order=CustomerOrder(column=Customer.updated_at), count=11, names=None
                )

            assert len(found) == 11
            assert planned(connection, "LIMIT 11")

    def test_a_count_is_planned_for_its_values(self, app: Flask) -> None:
        with database(app) as connection:
            for _ in range(20):
                counted = listing.count_customers(connection, narrowed=CustomerFilter(country="FI"))

            assert counted == 200 - COUNT // 1000
            for _ in range(20):
                # Where one plan would do for all, and the database's own choice would be that one.
                listing.count_customers(connection, narrowed=CustomerFilter(status="active"))
            assert planned(connection, "count(*) AS count_1") == []


def planned(connection: Connection, about: str) -> list[int]:
    """Of each prepared statement in which `about` stands, how often it was run by a plan for any values."""
    found = text("SELECT generic_plans FROM pg_prepared_statements WHERE strpos(statement, :about) > 0 AND generic_plans > 0")
    return list(connection.execute(found, {"about": about}).scalars())
