"""What interactions add up to for their customer, and how that changes with each of them; values only, no SQL.

A change is a set of facts that are gone and a set that have come. Counts and totals follow from the two alone. A first or last time does
too, unless the very interaction that made it is gone: then it is `lost`, and what it falls back to has to be looked up. So one
interaction and a chunk of ten thousand are the same sum.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from app.core import money

# Any: values of metrics.

ORDER = "order"


@dataclass(frozen=True, slots=True)
class Fact:
    """What a living interaction counts for. `amount` None: nothing towards a total."""

    occurred_at: datetime
    kind: str
    direction: str | None
    amount: str | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one customer, as they are stored. A currency is in `order_total` where a living order has an amount in it."""

    # In the order in which jsonb keeps them in events, see `app.db.columns.in_order_of_jsonb`.
    order_count: int
    order_total: dict[str, str]
    contact_count: int
    last_order_at: datetime | None
    first_order_at: datetime | None
    last_contact_at: datetime | None
    last_inbound_at: datetime | None
    first_contact_at: datetime | None
    last_outbound_at: datetime | None


NAMES = tuple(field.name for field in fields(Metrics))
_VALUES = attrgetter(*NAMES)


def values_of(metrics: Metrics) -> dict[str, Any]:
    """By name. `dataclasses.asdict` would copy each value, which cost a third of an import."""
    return dict(zip(NAMES, _VALUES(metrics), strict=True))


@dataclass(frozen=True, slots=True)
class Extreme:
    """A first or last time: the earliest or latest among the facts that belong to it."""

    pick: Callable[[Sequence[datetime]], datetime]
    # The column and value that an interaction belongs by; None: all do.
    by: tuple[str, str] | None

    def of(self, facts: Collection[Fact]) -> datetime | None:
        times = [fact.occurred_at for fact in facts if self.by is None or getattr(fact, self.by[0]) == self.by[1]]
        return self.pick(times) if times else None


EXTREMES: Mapping[str, Extreme] = {
    "first_contact_at": Extreme(min, None),
    "last_contact_at": Extreme(max, None),
    "last_inbound_at": Extreme(max, ("direction", "inbound")),
    "last_outbound_at": Extreme(max, ("direction", "outbound")),
    "first_order_at": Extreme(min, ("kind", ORDER)),
    "last_order_at": Extreme(max, ("kind", ORDER)),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """Metrics after a change, but for the extremes in `lost` and the question whether an order is left in the currencies `emptied`."""

    counts: tuple[int, int]
    totals: Mapping[str, str]
    times: Mapping[str, datetime | None]
    lost: frozenset[str]
    emptied: frozenset[str]


def draft(before: Metrics, *, gone: Collection[Fact], come: Collection[Fact]) -> Draft:
    """What follows for a customer with `before`. Of an interaction that changed, what it counted for before all is gone, and what it
    counts for after all has come; what came and went in between is in neither."""
    times: dict[str, datetime | None] = {}
    lost = set()
    for name, extreme in EXTREMES.items():
        stored = getattr(before, name)
        newest = extreme.of(come)
        held = newest if stored is None else stored if newest is None else extreme.pick((stored, newest))
        # What has come may be as early or late as what is gone, or beyond; else who made it is gone, and who is next is not known.
        if stored is not None and extreme.of(gone) == stored and newest != held:
            lost.add(name)
        times[name] = held
    totals, emptied = _totals(before.order_total, gone, come)
    return Draft(
        counts=(before.contact_count + len(come) - len(gone), before.order_count + _orders(come) - _orders(gone)),
        totals=totals,
        times=times,
        lost=frozenset(lost),
        emptied=emptied,
    )


def settled(drafted: Draft, *, found: Mapping[str, datetime | None], left: Collection[str]) -> Metrics:
    """The metrics, once `found` says what the lost extremes fall back to and `left` in which emptied currencies orders are left."""
    assert drafted.lost <= found.keys()
    contact_count, order_count = drafted.counts
    totals = {name: amount for name, amount in drafted.totals.items() if name not in drafted.emptied or name in left}
    times = {**drafted.times, **{name: found[name] for name in drafted.lost}}
    return Metrics(contact_count=contact_count, order_count=order_count, order_total=totals, **times)


def _orders(facts: Collection[Fact]) -> int:
    return sum(fact.kind == ORDER for fact in facts)


def _totals(before: Mapping[str, str], gone: Collection[Fact], come: Collection[Fact]) -> tuple[dict[str, str], frozenset[str]]:
    sums = {currency: Decimal(amount) for currency, amount in before.items()}
    for facts, summed in ((come, money.added), (gone, money.subtracted)):
        for fact in facts:
            if fact.kind == ORDER and fact.amount is not None and fact.currency is not None:
                sums[fact.currency] = summed(sums.get(fact.currency, Decimal(0)), Decimal(fact.amount))
    # Orders that come to nothing are orders all the same: whether one is left, a sum of zero does not say.
    surely_left = {fact.currency for fact in come if fact.kind == ORDER and fact.amount is not None}
    lowered = {fact.currency for fact in gone if fact.kind == ORDER and fact.amount is not None}
    emptied = frozenset(name for name in sums if name in lowered and name not in surely_left and not sums[name])
    return {currency: money.written(amount, currency) for currency, amount in sums.items()}, emptied
