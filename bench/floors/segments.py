"""Five rules, from cheap to dear, and the SQL that somebody who knows the tables would write for each by hand.

Written before the compiler of rules was looked at, and from the tables alone. A customer that has an entry in the last days has
its `last_contact_at` there (`last_order_at` for orders), so the metrics on the row bound what has to be looked up in the history.
One round trip each.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`count` and `page` take `now`; `page` has a place for what it shows."""

    name: str
    text: str
    count: str
    page: str


def _rule(name: str, text: str, condition: str) -> Rule:
    """Count and page ask for the same; the page walks the index of `created_at`."""
    return _found(name, text, f"FROM customers AS c WHERE c.deleted_at IS NULL AND {condition}")


def _found(name: str, text: str, found: str) -> Rule:
    return Rule(
        name=name,
        text=text,
        count=f"SELECT count(*) {found}",
        page=f"SELECT {{columns}} {found} ORDER BY c.created_at, c.id LIMIT 100",
    )


RULES = (
    _rule(
        "two fields",
        "country = 'CN' AND status = 'active'",
        "c.country = 'CN' AND c.status = 'active'",
    ),
    _rule(
        "two metrics",
        "metrics.order_count >= 3 AND metrics.last_order_at < TIMESTAMP('2026-06-01T00:00:00Z')",
        "c.order_count >= 3 AND c.last_order_at < '2026-06-01T00:00:00Z'",
    ),
    # Whole days: the 90th lasts until 91 times 24 hours are over.
    _rule(
        "days since, and a tag",
        "days_since(metrics.last_order_at) BETWEEN 30 AND 90 AND A_CONTAINS(tags, ('vip'))",
        "c.tags @> ARRAY['vip'] AND c.last_order_at <= %(now)s::timestamptz - interval '720 hours' "
        "AND c.last_order_at > %(now)s::timestamptz - interval '2184 hours'",
    ),
    # They are few, one in seven hundred: to begin with the calls takes a third of the time of a walk along `created_at`, also for a page.
    _found(
        "two calls in thirty days",
        "contact_count('call', 30) >= 2",
        "FROM customers AS c JOIN (SELECT customer_id FROM contact_history WHERE kind = 'call' AND deleted_at IS NULL "
        "AND occurred_at > %(now)s::timestamptz - interval '720 hours' AND occurred_at <= %(now)s::timestamptz "
        "GROUP BY customer_id HAVING count(*) >= 2) AS h ON h.customer_id = c.id WHERE c.deleted_at IS NULL",
    ),
    _rule(
        "bought for 1,000, gave nothing back",
        "order_total('CNY', 365) > 1000 AND NOT (contact_count('return', 90) >= 1) AND country IN ('DE', 'FR', 'US')",
        "c.country IN ('DE', 'FR', 'US') AND c.last_order_at > %(now)s::timestamptz - interval '8760 hours' AND 1000 < ("
        "SELECT sum(h.amount) FROM contact_history AS h WHERE h.customer_id = c.id AND h.kind = 'order' AND h.currency = 'CNY' "
        "AND h.deleted_at IS NULL AND h.occurred_at > %(now)s::timestamptz - interval '8760 hours' "
        "AND h.occurred_at <= %(now)s::timestamptz) AND NOT EXISTS ("
        "SELECT 1 FROM contact_history AS h WHERE h.customer_id = c.id AND h.kind = 'return' AND h.deleted_at IS NULL "
        "AND h.occurred_at > %(now)s::timestamptz - interval '2160 hours' AND h.occurred_at <= %(now)s::timestamptz)",
    ),
)
