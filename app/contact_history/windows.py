"""Functions of the contact history that rules about customers may call: what a customer's interactions of the last days come to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Select, and_, func, not_, select

from app.contact_history.metrics import ORDER
from app.contact_history.models import ContactHistoryEntry
from app.core import codes, limits
from app.core.faults import Fault
from app.customers.models import Customer
from app.db.base import table_of
from app.rules import aggregates, binding
from app.rules.catalogue import Entries, Expression, Function, Parameter, Range, Test, Turns
from app.rules.evaluation import Evaluation, Reach
from app.rules.types import Type

# Any: rows of any shape.

_CUSTOMERS = table_of(Customer)
_ENTRIES = table_of(ContactHistoryEntry)

_KIND = re.compile(r"[a-z0-9_]{1,64}\Z")

# The interactions that count: by what the function is asked for, in so many days.
_Counted = Callable[[Evaluation, str, int], Select[Any]]


@dataclass(frozen=True, slots=True)
class _Windowed:
    """A function of an argument and of days: which interactions count, and what they come to."""

    kind: Callable[[str], str]
    counted: _Counted
    aggregate: Expression
    is_count: bool

    def value(self, evaluation: Evaluation, /, *arguments: Any) -> Expression:
        return aggregates.value(
            _CUSTOMERS.c.id, entries=self.counted(evaluation, *arguments), key=_ENTRIES.c.customer_id, aggregate=self.aggregate
        )

    def compare(self, evaluation: Evaluation, test: Test, /, *arguments: Any) -> ColumnElement[bool]:
        entries, key = self.counted(evaluation, *arguments), _ENTRIES.c.customer_id
        least = test.least if self.is_count else None
        if least == 1:
            found = aggregates.has_any(_CUSTOMERS.c.id, entries=entries, key=key)
            return not_(found) if test.passes(0) else found
        if evaluation.reach in (Reach.ALL, Reach.ONCE) and not test.passes(0):
            return aggregates.compared(_CUSTOMERS.c.id, entries=entries, key=key, aggregate=self.aggregate, test=test)
        argument, days = arguments
        kind = self.kind(argument)
        # What the metrics on the customer's row say of interactions of a kind, which are true in the same transaction as these.
        prefix = "order" if kind == ORDER else "contact"
        found = aggregates.looked_up(
            _CUSTOMERS.c.id,
            entries=entries,
            key=key,
            aggregate=self.aggregate,
            test=test,
            enough=_CUSTOMERS.c[f"{prefix}_count"] >= binding.number(least or 1),
            recent=_CUSTOMERS.c[f"last_{prefix}_at"] > _since(evaluation, days),
        )
        if test.passes(0):
            return found
        # For the planner: where interactions of the kind are few, it begins with them.
        return and_(aggregates.has_any(_CUSTOMERS.c.id, entries=_of_kind(evaluation, kind, days), key=key), found)


def _recent(evaluation: Evaluation, days: int) -> Select[Any]:
    """Without an end: what is answered counts at once, though its time may lie a little ahead."""
    return select(_ENTRIES).where(_ENTRIES.c.deleted_at.is_(None), _ENTRIES.c.occurred_at > _since(evaluation, days))


def _since(evaluation: Evaluation, days: int) -> Expression:
    return evaluation.ago(timedelta(days=days))


def _of_kind(evaluation: Evaluation, kind: str, days: int) -> Select[Any]:
    return _recent(evaluation, days).where(_ENTRIES.c.kind == kind)


def _orders_in(evaluation: Evaluation, currency: str, days: int) -> Select[Any]:
    # With an amount, so that no sum is NULL.
    return _of_kind(evaluation, ORDER, days).where(_ENTRIES.c.currency == currency, _ENTRIES.c.amount.is_not(None))


def _turns(counted: _Counted) -> Turns:
    def turns(since: datetime, now: datetime, _: Test | Range | None, /, *arguments: Any) -> Sequence[ColumnElement[bool]]:
        """Whose interactions became too old to count, whatever the number is compared with."""
        entries = counted(Evaluation(since), *arguments).where(_ENTRIES.c.occurred_at <= now - timedelta(days=arguments[-1]))
        return [_is_of(entries)]

    return turns


def _range(**said: str) -> Range:
    """For the first or the last time of a customer's interactions like these: there is one at that time."""

    def lies(low: datetime, high: datetime, /) -> ColumnElement[bool]:
        conditions = (_ENTRIES.c[name] == value for name, value in said.items())
        at = (_ENTRIES.c.occurred_at > low, _ENTRIES.c.occurred_at <= high)
        return _is_of(select(_ENTRIES).where(_ENTRIES.c.deleted_at.is_(None), *at, *conditions))

    return lies


def _is_of(entries: Select[Any]) -> ColumnElement[bool]:
    return _CUSTOMERS.c.id.in_(entries.with_only_columns(_ENTRIES.c.customer_id))


def _check_kind(kind: str) -> None:
    if not _KIND.match(kind):
        raise Fault("wrong_shape", "A kind is 1 to 64 of a-z, 0-9 and _.")


def _check_days(days: int) -> None:
    if not 1 <= days <= limits.RULE_DAYS_MAX:
        raise Fault("out_of_range", f"This has to be 1 to {limits.RULE_DAYS_MAX} days.")


_DAYS = Parameter(name="days", types=(Type.INTEGER,), literal=True, check=_check_days)

_CONTACT_COUNT = _Windowed(lambda kind: kind, _of_kind, func.count(), is_count=True)
# Exact, as the column is; its own type would make text of it.
_ORDER_TOTAL = _Windowed(lambda _: ORDER, _orders_in, func.sum(_ENTRIES.c.amount, type_=Numeric()), is_count=False)

ENTRIES = Entries(
    functions=(
        Function(
            name="contact_count",
            parameters=(Parameter(name="kind", types=(Type.STRING,), literal=True, check=_check_kind), _DAYS),
            result=Type.INTEGER,
            meaning="How many interactions of the kind there were in the last days of 24 hours; those up to a day ahead count too.",
            value=_CONTACT_COUNT.value,
            compare=_CONTACT_COUNT.compare,
            nullable=False,
            uses_time=True,
            is_aggregate=True,
            turns=_turns(_of_kind),
        ),
        Function(
            name="order_total",
            parameters=(Parameter(name="currency", types=(Type.STRING,), literal=True, check=codes.check_currency), _DAYS),
            result=Type.NUMBER,
            meaning="What the orders in the currency of the last days of 24 hours add up to, those up to a day ahead too; 0 without any.",
            value=_ORDER_TOTAL.value,
            compare=_ORDER_TOTAL.compare,
            nullable=False,
            uses_time=True,
            is_aggregate=True,
            turns=_turns(_orders_in),
        ),
    ),
    ranges={
        "metrics.first_contact_at": _range(),
        "metrics.last_contact_at": _range(),
        "metrics.last_inbound_at": _range(direction="inbound"),
        "metrics.last_outbound_at": _range(direction="outbound"),
        "metrics.first_order_at": _range(kind=ORDER),
        "metrics.last_order_at": _range(kind=ORDER),
    },
)
