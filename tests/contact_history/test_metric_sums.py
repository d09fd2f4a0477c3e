"""Protects the arithmetic of metrics: whatever has gone and come, the draft is what the facts that are left add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from app.contact_history.metrics import EXTREMES, NAMES, ORDER, Fact, Metrics, draft, settled
from app.core import money

START = datetime(2024, 1, 1, tzinfo=UTC)
# Few, so that they meet.
FACTS = st.builds(
    Fact,
    st.integers(0, 4).map(lambda days: START + timedelta(days=days)),
    st.sampled_from([ORDER, "call"]),
    st.sampled_from(["inbound", "outbound", None]),
    st.sampled_from([None, "0.00", "12.50", "-12.50", "0.001", "1"]),
    st.sampled_from(["EUR", "JPY", "KWD"]),
)


def counted(facts: list[Fact]) -> Metrics:
    """What they add up to, by looking at all of them."""
    orders = [fact for fact in facts if fact.kind == ORDER]
    sums: dict[str, Decimal] = {}
    for fact in orders:
        if fact.amount is not None and fact.currency is not None:
            sums[fact.currency] = sums.get(fact.currency, Decimal(0)) + Decimal(fact.amount)
    found = {name: extreme_of(name, facts) for name in EXTREMES}
    found |= {"contact_count": len(facts), "order_count": len(orders)}
    found["order_total"] = {currency: money.written(total, currency) for currency, total in sums.items()}
    return Metrics(**{name: found[name] for name in NAMES})


def extreme_of(name: str, facts: list[Fact]) -> datetime | None:
    extreme = EXTREMES[name]
    times = [fact.occurred_at for fact in facts if extreme.by is None or getattr(fact, extreme.by[0]) == extreme.by[1]]
    return (min if extreme.is_first else max)(times, default=None)


@settings(max_examples=500)
@given(kept=st.lists(FACTS, max_size=4), gone=st.lists(FACTS, max_size=3), come=st.lists(FACTS, max_size=3))
def test_a_draft_is_what_is_left(kept: list[Fact], gone: list[Fact], come: list[Fact]) -> None:
    after = kept + come

    drafted = draft(counted(kept + gone), gone=gone, come=come)
    found = {name: extreme_of(name, after) for name in drafted.lost}
    left = {fact.currency for fact in after if fact.kind == ORDER and fact.amount is not None}

    assert settled(drafted, found=found, left=[currency for currency in left if currency is not None]) == counted(after)
    if not gone:
        assert not drafted.is_open
