"""The floors of what comes and goes by the thousand: COPY into a staging table and one INSERT .. ON CONFLICT; COPY out of row_to_json.

The rows are made beforehand, so that the floor is the database's alone. Round trips: three for a table, and the commit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from app.attributes.definition import NONE
from app.contact_history import merging as entry_merging
from app.contact_history.record import DERIVED as ENTRY_DERIVED
from app.contact_history.record import TOLD as ENTRY_TOLD
from app.core.ids import new_id
from app.core.times import parse_timestamp
from app.customers import merging
from app.customers.bulk import items
from app.customers.bulk.service import Item
from app.customers.record import TOLD
from app.db.columns import to_json
from bench.data.derived import whole
from bench.floors.reads import NAMES

# Any: psycopg's rows, column values and JSON.

# Stands for the id in a row that is made once and written under many ids.
_ID = "@id@"
_JSON = ("addresses", "external_ids", "attributes")
_KEYS = "ON CONFLICT (source, external_id) DO NOTHING"
_EVENT_COLUMNS = ("event_id", "type", "subject", "customer_id", "actor", "request_id", "data")


@dataclass(frozen=True)
class Staged:
    """What goes into one table."""

    table: str
    columns: Sequence[str]
    data: bytes
    conflict: str


@dataclass(frozen=True)
class Rows:
    """Rows as COPY takes them, without their ids."""

    columns: Sequence[str]
    rows: Sequence[str]
    events: Sequence[str]


def customers(people: Iterable[dict[str, Any]]) -> Rows:
    made = [_customer(person) for person in people]
    columns = ["id", *(name for name in made[0] if name != "id")]
    told = ({"before": None, "after": {name: row[name] for name in TOLD if name in row}, "changed": list(TOLD)} for row in made)
    return Rows(columns, [_line(columns, row) for row in made], [_escaped(to_json(event)) for event in told])


def entries(lines: Iterable[dict[str, Any]], customer_ids: Sequence[str]) -> Rows:
    """Of the customers with `customer_ids`, in the same order as `lines`."""
    made = [_entry(line, customer_id) for line, customer_id in zip(lines, customer_ids, strict=True)]
    columns = ["id", "customer_id", *(name for name in made[0] if name not in ("id", "customer_id"))]
    told = ({"before": None, "after": {name: row.get(name) for name in ENTRY_TOLD}, "changed": list(ENTRY_TOLD)} for row in made)
    return Rows(columns, [_line(columns, row) for row in made], [_escaped(to_json(event)) for event in told])


def customers_alone(rows: Rows, ids: Sequence[str]) -> list[Staged]:
    return [Staged("customers", rows.columns, _under(rows.rows, ids), "ON CONFLICT (id) DO NOTHING")]


def customers_whole(rows: Rows, ids: Sequence[str]) -> list[Staged]:
    """With all else that the service writes for a new one: its external id and its event."""
    keys = "".join(f"floor\t{one}\t{one}\n" for one in ids).encode()
    return [
        *customers_alone(rows, ids),
        Staged("customer_keys", ("source", "external_id", "customer_id"), keys, _KEYS),
        _events(rows, ids, "customer.created", "customers", ids),
    ]


def entries_alone(rows: Rows, ids: Sequence[str]) -> list[Staged]:
    return [Staged("contact_history", rows.columns, _under(rows.rows, ids), "ON CONFLICT (customer_id, id) DO NOTHING")]


def entries_whole(rows: Rows, ids: Sequence[str], customer_ids: Sequence[str]) -> list[Staged]:
    """With their external ids and their events, and without their customers' metrics and the events of those."""
    keys = "".join(f"floor\t{one}\t{customer}\t{one}\n" for one, customer in zip(ids, customer_ids, strict=True)).encode()
    return [
        *entries_alone(rows, ids),
        Staged("contact_history_keys", ("source", "external_id", "customer_id", "entry_id"), keys, _KEYS),
        _events(rows, ids, "contact_history.created", "contact-history", customer_ids),
    ]


def fresh_ids(count: int) -> list[str]:
    return [str(new_id()) for _ in range(count)]


def write(connection: psycopg.Connection[Any], staged: Sequence[Staged]) -> float:
    """In one transaction; seconds."""
    began = time.monotonic()
    with connection.transaction(), connection.cursor() as cursor:
        for one in staged:
            columns = ", ".join(one.columns)
            cursor.execute(f"CREATE TEMP TABLE staging ON COMMIT DROP AS SELECT {columns} FROM {one.table} WITH NO DATA")
            with cursor.copy(f"COPY staging ({columns}) FROM STDIN") as copy:
                copy.write(one.data)
            cursor.execute(f"INSERT INTO {one.table} ({columns}) SELECT {columns} FROM staging {one.conflict}")
            cursor.execute("DROP TABLE staging")
    return time.monotonic() - began


def export(connection: psycopg.Connection[Any]) -> tuple[int, float]:
    """Rows and seconds; one round trip."""
    began = time.monotonic()
    statement = f"COPY (SELECT row_to_json(c) FROM (SELECT {', '.join(NAMES)} FROM customers WHERE deleted_at IS NULL) AS c) TO STDOUT"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        rows = sum(1 for _ in copy)
    return rows, time.monotonic() - began


def _customer(person: dict[str, Any]) -> dict[str, Any]:
    item = items.of_line(person, source=None, match=(), digest=b"")
    assert isinstance(item, Item)
    assert item.key is not None
    data = {"source": "floor", **item.data, "external_ids": {"floor": item.key.external_id}}
    values = merging.new(data, definitions=NONE)
    return {**whole(values), "id": _ID, "version": 1, "xid": "1"}


def _entry(line: dict[str, Any], customer_id: str) -> dict[str, Any]:
    data = {name: value for name, value in line.items() if name not in ("customer", "external_id", "source")}
    occurred = parse_timestamp(line["occurred_at"])
    values = entry_merging.new({**data, "occurred_at": occurred}, now=occurred)
    own = {"id": _ID, "customer_id": customer_id, "source": "floor", "external_id": _ID}
    derived = zip(ENTRY_DERIVED, entry_merging.derived(values["subject"], values["body"], values["outcome"]), strict=True)
    return {**values, **dict(derived), **own, "version": 1, "xid": "1"}


def _events(rows: Rows, ids: Sequence[str], kind: str, plural: str, customer_ids: Sequence[str]) -> Staged:
    lines = (
        f"{one}\t{kind}\t{plural}/{one}\t{customer}\t{{}}\tbench\t{event.replace(_ID, one)}\n"
        for one, customer, event in zip(ids, customer_ids, rows.events, strict=True)
    )
    return Staged("events", _EVENT_COLUMNS, "".join(lines).encode(), "ON CONFLICT DO NOTHING")


def _under(rows: Sequence[str], ids: Sequence[str]) -> bytes:
    return "".join(row.replace(_ID, one) for row, one in zip(rows, ids, strict=True)).encode()


def _line(columns: Sequence[str], row: dict[str, Any]) -> str:
    return "\t".join(_copied(name, row[name]) for name in columns) + "\n"


def _copied(name: str, value: Any) -> str:
    if value is None:
        return r"\N"
    if name in _JSON:
        return _escaped(to_json(value))
    if isinstance(value, list):
        return _escaped("{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in value) + "}")
    return _escaped(str(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")
