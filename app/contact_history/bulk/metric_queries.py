"""Statements on the metrics of sets of customers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, text

from app.contact_history.metrics import EXTREMES, NAMES, ORDER, Draft, Metrics
from app.db.columns import Ids, Several, Xid8, to_json
from app.db.prepared import Prepared

# Each by the end of an index; a row takes only its own way.
_TIMES = " ".join(
    f"""WHEN '{name}' THEN (
        SELECT {"min" if extreme.is_first else "max"}(e.occurred_at) FROM contact_history e
        WHERE e.customer_id = sent.customer_id AND e.deleted_at IS NULL{f" AND e.{extreme.by[0]} = '{extreme.by[1]}'" if extreme.by else ""}
    )"""
    for name, extreme in EXTREMES.items()
)
_LOST = Prepared(
    text(
        f"""
        SELECT sent.customer_id, sent.name, sent.currency, CASE sent.name {_TIMES} END AS at, remaining.one IS NOT NULL AS is_left
        FROM json_to_recordset(CAST(:lost AS json)) AS sent (customer_id uuid, name text, currency text)
        LEFT JOIN LATERAL (
            SELECT 1 AS one FROM contact_history e
            WHERE e.customer_id = sent.customer_id AND e.kind = '{ORDER}' AND e.deleted_at IS NULL
                AND e.amount IS NOT NULL AND e.currency = sent.currency
            LIMIT 1
        ) AS remaining ON sent.currency IS NOT NULL
        """
    )
)

_TYPES = dict.fromkeys(EXTREMES, "timestamptz") | {"order_total": "jsonb", "contact_count": "int", "order_count": "int"}
_UPDATE = Prepared(
    text(
        f"""
        UPDATE customers c SET {", ".join(f"{name} = sent.{name}" for name in NAMES)}, metrics_version = c.metrics_version + 1, xid = :xid
        FROM unnest(:id, {", ".join(f":{name}" for name in NAMES)}) AS sent (id, {", ".join(NAMES)}) WHERE c.id = sent.id
        """
    ).bindparams(
        bindparam("id", type_=Ids),
        bindparam("xid", type_=Xid8()),
        *(bindparam(name, type_=Several(kind)) for name, kind in _TYPES.items()),
    )
)


@dataclass(slots=True)
class Found:
    """What a customer's lost extremes fall back to, and in which emptied currencies orders are left."""

    times: dict[str, datetime | None] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)


def find_lost(db: Connection, drafts: Mapping[UUID, Draft]) -> dict[UUID, Found]:
    """For every customer with a draft, in one statement for all, or in none."""
    found = {customer_id: Found() for customer_id in drafts}
    lost: list[dict[str, Any]] = []  # Any: JSON
    for customer_id, draft in drafts.items():
        lost += ({"customer_id": customer_id, "name": name} for name in sorted(draft.lost))
        lost += ({"customer_id": customer_id, "currency": currency} for currency in sorted(draft.emptied))
    if lost:
        for customer_id, name, currency, at, is_left in _LOST.all(db, {"lost": to_json(lost)}):
            if name is not None:
                found[customer_id].times[name] = at
            elif is_left:
                found[customer_id].left.add(currency)
    return found


def update_metrics(db: Connection, written: Collection[tuple[UUID, Metrics]], *, xid: int) -> None:
    """Write the metrics of customers that this transaction has locked, and as they are still what it was decided by: the next
    `metrics_version`, which the row counts itself, is the one that their events tell."""
    if written:
        ids, metrics = zip(*written, strict=True)
        _UPDATE.run(db, {"id": ids, **dict(zip(NAMES, zip(*metrics, strict=True), strict=True)), "xid": xid})
