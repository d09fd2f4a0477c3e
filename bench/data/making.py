"""Filling the tables of a new database: by COPY, the indexes afterwards, the metrics by one statement over all interactions."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from app.customers.record import TOLD
from bench.data import customers, entries, lines

CUSTOMERS = 200_000
ENTRIES = 1_000_000
# Of the oldest customers: a feed that is long enough to be read by the page.
EVENTS = 100_000

_TABLES = ("customers", "customer_keys", "contact_history", "contact_history_keys", "events")

# Any: psycopg's rows.

# What the service keeps on the row, counted from the outside.
_COUNTED = """
    CREATE UNLOGGED TABLE bench_counted AS
    SELECT
        customer_id, count(*) AS contact_count, min(occurred_at) AS first_contact_at, max(occurred_at) AS last_contact_at,
        max(occurred_at) FILTER (WHERE direction = 'inbound') AS last_inbound_at,
        max(occurred_at) FILTER (WHERE direction = 'outbound') AS last_outbound_at,
        count(*) FILTER (WHERE kind = 'order') AS order_count,
        min(occurred_at) FILTER (WHERE kind = 'order') AS first_order_at,
        max(occurred_at) FILTER (WHERE kind = 'order') AS last_order_at
    FROM contact_history WHERE deleted_at IS NULL GROUP BY customer_id
"""
# Amounts stand with the decimals that their currency has, and so does their sum.
_TOTALS = """
    CREATE UNLOGGED TABLE bench_totals AS
    SELECT customer_id, jsonb_object_agg(currency, total::text) AS order_total
    FROM (
        SELECT customer_id, currency, sum(amount) AS total FROM contact_history
        WHERE deleted_at IS NULL AND kind = 'order' AND amount IS NOT NULL GROUP BY customer_id, currency
    ) AS summed
    GROUP BY customer_id
"""
_TIMES = ("first_contact_at", "last_contact_at", "last_inbound_at", "last_outbound_at", "first_order_at", "last_order_at")
_COLUMNS = ", ".join(customers.COLUMNS)
_WHOLE = f"""
    INSERT INTO customers ({_COLUMNS}, contact_count, order_count, metrics_version, order_total, {", ".join(_TIMES)})
    SELECT
        {", ".join(f"c.{name}" for name in customers.COLUMNS)}, coalesce(n.contact_count, 0), coalesce(n.order_count, 0),
        coalesce(n.contact_count, 0), coalesce(t.order_total, '{{}}'), {", ".join(f"n.{name}" for name in _TIMES)}
    FROM bench_customers AS c
        LEFT JOIN bench_counted AS n ON n.customer_id = c.id LEFT JOIN bench_totals AS t ON t.customer_id = c.id
    ORDER BY c.created_at
"""
_KEYS = """
    INSERT INTO contact_history_keys (source, external_id, customer_id, entry_id)
    SELECT source, external_id, customer_id, id FROM contact_history WHERE external_id IS NOT NULL
"""
_TOLD = ", ".join(f"'{name}', {name}" for name in TOLD)
_EVENTS = f"""
    INSERT INTO events (event_id, type, subject, customer_id, actor, request_id, time, data)
    SELECT
        id, 'customer.created', 'customers/' || id, id, '{{"type": "command_line", "id": null, "name": "bench"}}', 'bench', created_at,
        json_build_object('before', null, 'after', json_build_object({_TOLD}), 'changed', to_json(%s::text[]))
    FROM (SELECT * FROM customers ORDER BY created_at, id LIMIT {EVENTS}) AS oldest
"""


def make(connection: psycopg.Connection[Any], scale: int, anchor: int) -> None:
    """`anchor`, in seconds, is the present of the data. In autocommit; on tables that are empty."""
    known = customers.ids(CUSTOMERS * scale, anchor)
    with _without_indexes(connection):
        with _told(f"{ENTRIES * scale:,} interactions"):
            lines.copy(connection, "contact_history", entries.COLUMNS, entries.rows(ENTRIES * scale, known, anchor))
            connection.execute(_KEYS)
        with _told("what they add up to"):
            connection.execute("SET work_mem = '256MB'")
            connection.execute(_COUNTED)
            connection.execute(_TOTALS)
            connection.execute("ANALYZE bench_counted, bench_totals")
        with _told(f"{len(known):,} customers"):
            connection.execute("CREATE UNLOGGED TABLE bench_customers (LIKE customers INCLUDING DEFAULTS)")
            lines.copy(connection, "bench_customers", customers.COLUMNS, customers.rows(known, anchor))
            connection.execute(_WHOLE)
            lines.copy(connection, "customer_keys", customers.KEY_COLUMNS, customers.key_rows(known))
            connection.execute("DROP TABLE bench_customers, bench_counted, bench_totals")
            connection.execute(_EVENTS, [list(TOLD)])
    with _told("statistics"):
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {', '.join(_TABLES)}")


@contextmanager
def _without_indexes(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """They are made when all rows are there, keys and foreign keys too: in a third of the time, and as dense as they get."""
    keys = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE (contype = 'p' AND conrelid = ANY(%(tables)s::regclass[])) OR (contype = 'f' AND confrelid = ANY(%(tables)s::regclass[])) "
        "ORDER BY contype DESC",
        {"tables": list(_TABLES)},
    ).fetchall()
    for table, name, _ in reversed(keys):
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    indexes = connection.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)", [list(_TABLES)]).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    yield
    with _told("indexes"):
        connection.execute("SET maintenance_work_mem = '1GB'")
        for _, definition in indexes:
            connection.execute(definition)
        for table, name, definition in keys:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


@contextmanager
def _told(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    sys.stderr.write(f"  {what}: {time.monotonic() - began:.0f} s\n")
