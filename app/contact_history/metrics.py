"""What interactions add up to for their customer, and how that changes with each of them; values only, no SQL.

A change is a set of facts that are gone and a set that have come. Counts and totals follow from the two alone. A first or last time does
too, unless the very interaction that made it is gone: then it is `lost`, and what it falls back to has to be looked up. So one
interaction and a chunk of ten thousand are the same sum.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from app.core import money

# Any: metrics of different types.

ORDER = "order"


# Tuples, and the draft below, since imports make and compare millions of them: in a third of the time that frozen dataclasses take.
class Fact(NamedTuple):
    """What a living interaction counts for. `amount` None: nothing towards a total."""

    occurred_at: datetime
    kind: str
    direction: str | None
    amount: str | None
    currency: str | None


class Metrics(NamedTuple):
    """The metrics of one customer, as they are stored. A currency is in `order_total` where a living order has an amount in it."""

    contact_count: int
    first_contact_at: datetime | None
    last_contact_at: datetime | None
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    order_count: int
    order_total: dict[str, str]
    first_order_at: datetime | None
    last_order_at: datetime | None


NAMES = Metrics._fields


@dataclass(frozen=True, slots=True)
class Extreme:
    """A first or last time: the earliest or latest among the facts that belong to it."""

    pick: Callable[[datetime, datetime], datetime]
    # The column and value that an interaction belongs by; None: all do.
    by: tuple[str, str] | None


EXTREMES: Mapping[str, Extreme] = {
    "first_contact_at": Extreme(min, None),
    "last_contact_at": Extreme(max, None),
    "last_inbound_at": Extreme(max, ("direction", "inbound")),
    "last_outbound_at": Extreme(max, ("direction", "outbound")),
    "first_order_at": Extreme(min, ("kind", ORDER)),
    "last_order_at": Extreme(max, ("kind", ORDER)),
}


class Draft(NamedTuple):
    """Metrics after a change, but for the extremes in `lost` and the question whether an order is left in the currencies `emptied`."""

    metrics: Metrics
    lost: frozenset[str]
    emptied: frozenset[str]

    @property
    def is_open(self) -> bool:
        """Whether something has to be looked up before the metrics are settled."""
        return bool(self.lost or self.emptied)


def draft(before: Metrics, *, gone: Collection[Fact], come: Collection[Fact]) -> Draft:
    """What follows for a customer with `before`. Of an interaction that changed, what it counted for before all is gone, and what it
    counts for after all has come; what came and went in between is in neither."""
    values = before._asdict()
    come_times, gone_times = _extremes(come), _extremes(gone)
    for name, at in come_times.items():
        stored = values[name]
        values[name] = at if stored is None else EXTREMES[name].pick(stored, at)
    # What has come may be as early or late as what is gone, or beyond; else who made it is gone, and who is next is not known.
    lost = [name for name, at in gone_times.items() if at == getattr(before, name) and come_times.get(name) != values[name]]
    values["contact_count"] += len(come) - len(gone)
    values["order_count"] += _orders(come) - _orders(gone)
    values["order_total"], emptied = _totals(before.order_total, gone, come)
    return Draft(Metrics._make(values.values()), frozenset(lost), emptied)


def settled(drafted: Draft, *, found: Mapping[str, datetime | None] = MappingProxyType({}), left: Collection[str] = ()) -> Metrics:
    """The metrics, once `found` says what the lost extremes fall back to and `left` in which emptied currencies orders are left; neither
    need be said where the draft is not open."""
    if not drafted.is_open:
        return drafted.metrics
    emptied = drafted.emptied.difference(left)
    totals = {name: amount for name, amount in drafted.metrics.order_total.items() if name not in emptied}
    times: dict[str, Any] = {name: found[name] for name in drafted.lost}
    return drafted.metrics._replace(order_total=totals, **times)


def _extremes(facts: Collection[Fact]) -> dict[str, datetime]:
    """The earliest or latest of these facts, for each extreme that one of them belongs to."""
    found: dict[str, datetime] = {}
    for fact in facts:
        at = fact.occurred_at
        for name, pick in _belonging(fact.kind, fact.direction):
            known = found.get(name)
            found[name] = at if known is None else pick(known, at)
    return found


# Kinds are a few, though anybody may make up others.
@lru_cache(maxsize=256)
def _belonging(kind: str, direction: str | None) -> Sequence[tuple[str, Callable[[datetime, datetime], datetime]]]:
    """To which extremes a fact belongs, and how they are picked."""
    columns = (None, ("kind", kind), ("direction", direction))
    return [(name, extreme.pick) for name, extreme in EXTREMES.items() if extreme.by in columns]


def _orders(facts: Collection[Fact]) -> int:
    return sum([fact.kind == ORDER for fact in facts])


def _totals(before: dict[str, str], gone: Collection[Fact], come: Collection[Fact]) -> tuple[dict[str, str], frozenset[str]]:
    """With the currencies in which nothing may be left."""
    lowered, raised = _amounts(gone), _amounts(come)
    if not (lowered or raised):
        return before, frozenset()
    totals = dict(before)
    for currency in dict.fromkeys((*raised, *lowered)):
        total = Decimal(before.get(currency, 0))
        for amount in raised.get(currency, ()):
            total = money.added(total, amount)
        for amount in lowered.get(currency, ()):
            total = money.subtracted(total, amount)
        totals[currency] = money.written(total, currency)
    # Orders that come to nothing are orders all the same: whether one is left, a sum of zero does not say.
    return totals, frozenset(name for name in lowered if name not in raised and not Decimal(totals[name]))


def _amounts(facts: Collection[Fact]) -> dict[str, list[Decimal]]:
    """Of orders, by currency."""
    found: dict[str, list[Decimal]] = {}
    for fact in facts:
        if fact.kind == ORDER and fact.amount is not None and fact.currency is not None:
            found.setdefault(fact.currency, []).append(Decimal(fact.amount))
    return found
