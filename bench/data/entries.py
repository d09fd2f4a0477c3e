"""Generated interactions, in the order in which they happened, with everything that the service would have written but events."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from app.contact_history import merging
from bench.data.lines import NULL, array, moment, uuid7
from bench.data.names import Choice

DAYS = 730
COLUMNS = (
    *("id", "customer_id", "kind", "channel", "direction", "subject", "body", "outcome", "agent", "occurred_at", "duration_seconds"),
    *("amount", "currency", "source", "external_id", "version", "created_at", "updated_at", "deleted_at", "search_text", "search_grams"),
    "xid",
)
SOURCE = "shop"

_SUBJECTS = ("Delivery", "Invoice", "发货时间", "退换货", "Warranty", "Price list", "新品咨询", "Complaint", "会员积分", "Appointment")
_BODIES = (
    "Asked when it arrives, and was told Thursday.",
    "客户询问订单状态, 已回复。",
    "Wants a call back next week.",
    "Thanked for the help.",
)
_OUTCOMES = ("resolved", "follow_up", "no_answer")


@dataclass(frozen=True)
class _Kind:
    channel: str
    direction: str
    text: bool


_KINDS = {
    "order": _Kind("web", "inbound", text=False),
    "call": _Kind("phone", "inbound", text=True),
    "email": _Kind("email", "outbound", text=True),
    "message": _Kind("wechat", "inbound", text=True),
    "visit": _Kind("store", "inbound", text=False),
    "return": _Kind("web", "inbound", text=False),
    "note": _Kind(NULL, "internal", text=True),
}


def rows(count: int, customers: Sequence[str], anchor: int) -> Iterator[str]:
    """`count` interactions of `customers` over two years up to `anchor`, in seconds; some have hundreds, some none."""
    dice = random.Random(21)
    chance = dice.random
    kind_of = Choice(dice, {"order": 30, "email": 22, "call": 20, "message": 10, "visit": 8, "note": 7, "return": 3})
    currency_of = Choice(dice, {"CNY": 88, "USD": 5, "EUR": 4, "HKD": 2, "JPY": 1})
    step = DAYS * 86400 / count
    for number in range(count):
        occurred = anchor - (count - number) * step
        # The square of a chance: a fifth of the customers has nearly half of all. And they are all over the table.
        customer = customers[int(len(customers) * chance() ** 2) * 7919 % len(customers)]
        kind = kind_of()
        how = _KINDS[kind]
        subject, body, outcome = (int(chance() * 10), int(chance() * 4), int(chance() * 3)) if how.text else (-1, -1, -1)
        sale = kind in ("order", "return")
        currency = currency_of() if sale else NULL
        when = moment(occurred)
        values = (
            uuid7(int(occurred * 1000), dice),
            customer,
            kind,
            how.channel,
            how.direction if kind != "call" or chance() < 0.6 else "outbound",
            _text(subject, body, outcome),
            f"agent{int(chance() * 200)}" if how.text else NULL,
            when,
            str(30 + int(chance() * 900)) if kind == "call" else NULL,
            _amount(dice, currency) if sale else NULL,
            currency,
            f"{SOURCE}\t{kind}-{number}" if sale else rf"{NULL}{chr(9)}{NULL}",
            f"1\t{when}\t{when}",
            when if chance() < 0.01 else NULL,
            _found_by(subject, body, outcome),
            "0",
        )
        yield "\t".join(values)


def _amount(dice: random.Random, currency: str) -> str:
    amount = dice.lognormvariate(5.3, 1.0)
    return f"{amount:.0f}" if currency == "JPY" else f"{amount:.2f}"


@cache
def _text(subject: int, body: int, outcome: int) -> str:
    return f"{NULL}\t{NULL}\t{NULL}" if subject < 0 else f"{_SUBJECTS[subject]}\t{_BODIES[body]}\t{_OUTCOMES[outcome]}"


@cache
def _found_by(subject: int, body: int, outcome: int) -> str:
    values = (None, None, None) if subject < 0 else (_SUBJECTS[subject], _BODIES[body], _OUTCOMES[outcome])
    search_text, search_grams = merging.derived(*values)
    # Commas stand in grams here.
    grams = array(f'"{gram}"' for gram in search_grams)
    return f"{search_text}\t{grams}"
