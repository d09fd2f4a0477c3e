"""Random customers and random rules about them, of few values, so that rules often find somebody."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from app.rules import tree
from app.rules.literals import text_literal
from app.rules.types import Type
from tests.rules.histories import CURRENCIES, DAYS, KINDS, MOMENTS, entries_of, metrics_of

TEXTS = [
    "CN",
    "cn",
    "Zürich",
    "ZÜRICH",
    "zu\u0308rich",
    "张伟",
    "a%b",
    "a_b",
    "axb",
    "O'Brien",
    "back\\slash",
    "back\\",
    "😀",
    "M",
    "Ａ",
    "A",
    "z",
]
EMAILS = ["Info@oasis.example", "info@oasis.example", "a.b@x.example", "Ünal@x.example", "ünal@x.example"]
IDS = [UUID(int=number << 80 | 7 << 76 | 2 << 62) for number in range(1, 5)]
DATES = [date(1984, 2, 29), date(1984, 3, 1), date(2000, 12, 31), date(1, 1, 1), date(9999, 12, 31)]
WHOLES = [0, 1, 2, 3, 29, 30, 31, -1, 2**31, 2**63, 10**30]
NUMBERS: list[int | Decimal] = [
    *WHOLES,
    Decimal("0.1"),
    Decimal("2.5"),
    Decimal("-0.5"),
    Decimal("9007199254740993.1"),
    Decimal("30.000001"),
]

STRINGS = ("display_name", "country", "owner", "phone", "lifecycle_stage", "external_ids.shop", "external_ids.my-shop")
NAMES: dict[Type, tuple[str, ...]] = {
    Type.STRING: STRINGS,
    Type.EMAIL: ("email",),
    Type.ID: ("id", "organization_id"),
    Type.NUMBER: ("metrics.order_count", "metrics.contact_count", "metrics.order_total.CNY", "metrics.order_total.USD", "version"),
    Type.DATE: ("birthday",),
    Type.TIMESTAMP: ("created_at", "metrics.last_order_at", "metrics.last_inbound_at", "source_updated_at"),
    Type.STRING_LIST: ("tags", "alternate_phones", "addresses.city"),
    Type.EMAIL_LIST: ("alternate_emails",),
}
ORDERS = ("=", "<>", "<", "<=", ">", ">=")


class Population(list[dict[str, Any]]):
    """Rows that a failing test does not print all over again."""

    def __repr__(self) -> str:
        return f"<{len(self)} customers>"


def rows(count: int, *, seed: int = 1) -> Population:
    """Customers as their columns are written, many of them with nothing in many of these, and their interactions as `entries`."""
    dice = random.Random(seed)

    def some(pool: list[Any]) -> Any:
        return dice.choice([None, *pool])

    def few(pool: list[Any]) -> list[Any]:
        return dice.sample(pool, dice.choice((0, 0, 1, 2)))

    def one(number: int) -> dict[str, Any]:
        customer_id = UUID(int=number + 1 << 80 | 7 << 76 | 2 << 62)
        entries = entries_of(customer_id, dice, TEXTS)
        return {
            "id": customer_id,
            "kind": dice.choice(("person", "organization")),
            "status": dice.choice(("active", "inactive", "blocked")),
            "display_name": some(_stored(TEXTS)),
            "country": some(["CN", "FI"]),
            "owner": some(_stored(TEXTS)),
            "phone": some(["+8613812345678", "+442079460958"]),
            "lifecycle_stage": some(["lead", "M"]),
            "organization_id": some(IDS),
            "email": some(EMAILS),
            "alternate_emails": few(EMAILS),
            "alternate_phones": few(["+1", "+2", "CN"]),
            "birthday": some(DATES),
            "addresses": [{"city": some(_stored(TEXTS)), "primary": False} for _ in range(dice.choice((0, 1, 2)))],
            "tags": few(_stored(TEXTS)),
            "external_ids": _external_ids(number),
            "source_updated_at": some(MOMENTS),
            "version": dice.choice((1, 2, 3)),
            "created_at": dice.choice(MOMENTS),
            "entries": entries,
            **metrics_of(entries),
        }

    return Population(one(number) for number in range(count))


def _external_ids(number: int) -> dict[str, str]:
    """Each once, since no two customers have the same."""
    texts = _stored(TEXTS)
    return ({"shop": texts[number]} if number < len(texts) else {}) | ({"my-shop": "M"} if number == 1 else {})


def _stored(texts: list[str]) -> list[str]:
    """Text that can be stored is in NFC."""
    return list(dict.fromkeys(text_literal(0, text).value for text in texts))


def text_nodes(values: list[str]) -> st.SearchStrategy[tree.Text]:
    return st.sampled_from(values).map(lambda value: text_literal(0, value))


def names(kind: Type) -> st.SearchStrategy[tree.Property]:
    return st.sampled_from(NAMES[kind]).map(lambda name: tree.Property(0, name))


def literals(kind: Type) -> st.SearchStrategy[Any]:
    match kind:
        case Type.STRING:
            return text_nodes(["", *TEXTS])
        case Type.EMAIL:
            return text_nodes([*EMAILS, "INFO@OASIS.EXAMPLE", "nobody"])
        case Type.ID:
            return text_nodes([str(one) for one in IDS])
        case Type.NUMBER:
            return st.sampled_from(NUMBERS).map(lambda value: tree.Number(0, value))
        case Type.DATE:
            return st.sampled_from(DATES).map(lambda value: tree.Day(0, value))
    return st.sampled_from(MOMENTS).map(lambda value: tree.Moment(0, value))


def _call(function: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tree.Call]:
    return st.tuples(*arguments).map(lambda found: tree.Call(0, function, found))


def _windowed(function: str, wanted: tuple[str, ...]) -> st.SearchStrategy[tree.Call]:
    days = st.sampled_from(DAYS).map(lambda value: tree.Number(0, value))
    return _call(function, text_nodes([*wanted]), days)


def scalars(kind: Type) -> st.SearchStrategy[Any]:
    """Names and functions of one type, so that what is compared is never only literals."""
    if kind is Type.NUMBER:
        moments = st.one_of(names(Type.TIMESTAMP), _call("now"))
        of_day = st.sampled_from(("month", "day")).flatmap(lambda function: _call(function, st.one_of(names(Type.DATE), moments)))
        return st.one_of(
            names(kind), _call("days_since", moments), of_day, _windowed("contact_count", KINDS), _windowed("order_total", CURRENCIES)
        )
    return st.one_of(names(kind), _call("now")) if kind is Type.TIMESTAMP else names(kind)


def _operands(kind: Type) -> st.SearchStrategy[Any]:
    return st.one_of(literals(kind), literals(kind), scalars(kind))


ORDERED = (Type.STRING, Type.EMAIL, Type.NUMBER, Type.DATE, Type.TIMESTAMP)


@st.composite
def comparisons(draw: st.DrawFn) -> tree.Comparison:
    kind = draw(st.sampled_from((*ORDERED, Type.ID)))
    operator = draw(st.sampled_from(("=", "<>") if kind is Type.ID else ORDERS))
    left, right = draw(scalars(kind)), draw(_operands(kind))
    return tree.Comparison(0, operator, *((right, left) if draw(st.booleans()) else (left, right)))


@st.composite
def ranges(draw: st.DrawFn) -> tree.Between:
    kind = draw(st.sampled_from(ORDERED))
    return tree.Between(0, draw(scalars(kind)), draw(_operands(kind)), draw(_operands(kind)))


@st.composite
def choices(draw: st.DrawFn) -> tree.In:
    kind = draw(st.sampled_from((*ORDERED, Type.ID)))
    items = draw(st.lists(literals(kind), min_size=1, max_size=3))
    return tree.In(0, draw(scalars(kind)), tree.Items(0, tuple(items)))


@st.composite
def folded(draw: st.DrawFn) -> tree.Condition:
    """With CASEI on both sides."""
    kind = draw(st.sampled_from((Type.STRING, Type.EMAIL)))
    left = draw(_call("casei", names(kind)))
    texts = _call("casei", literals(Type.STRING))
    match draw(st.integers(0, 2)):
        case 0:
            return tree.Comparison(0, draw(st.sampled_from(ORDERS)), left, draw(texts))
        case 1:
            return tree.In(0, left, tree.Items(0, tuple(draw(st.lists(texts, min_size=1, max_size=3)))))
    return tree.Like(0, left, draw(_call("casei", _patterns())))


def _patterns() -> st.SearchStrategy[tree.Text]:
    pieces = st.lists(st.sampled_from(["%", "_", "a", "M", "\\%", "\\_", "\\\\", "CN", "ü", "张", "@x", "'"]), min_size=1, max_size=4)
    return pieces.map(lambda found: text_literal(0, "".join(found)))


def _likes() -> st.SearchStrategy[tree.Like]:
    return st.builds(tree.Like, st.just(0), st.one_of(names(Type.STRING), names(Type.EMAIL)), _patterns())


@st.composite
def _lists(draw: st.DrawFn) -> tree.Condition:
    kind = draw(st.sampled_from((Type.STRING_LIST, Type.EMAIL_LIST)))
    pool = EMAILS if kind is Type.EMAIL_LIST else [*TEXTS, "+1"]
    values = tuple(draw(st.lists(text_nodes(pool), max_size=2)))
    return tree.Call(0, draw(st.sampled_from(("a_contains", "a_overlaps"))), (draw(names(kind)), tree.Items(0, values)))


def _choice_of_status() -> st.SearchStrategy[tree.Comparison]:
    statuses = text_nodes(["active", "blocked"])
    return st.builds(tree.Comparison, st.just(0), st.sampled_from(("=", "<>")), st.just(tree.Property(0, "status")), statuses)


def _nulls() -> st.SearchStrategy[tree.IsNull]:
    every = st.one_of(*(names(kind) for kind in NAMES), scalars(Type.NUMBER))
    return st.builds(tree.IsNull, st.just(0), every)


def atoms() -> st.SearchStrategy[Any]:
    return st.one_of(
        comparisons(),
        ranges(),
        choices(),
        folded(),
        _likes(),
        _lists(),
        _choice_of_status(),
        _nulls(),
        st.builds(tree.Truth, st.just(0), st.booleans()),
    )


def rules() -> st.SearchStrategy[Any]:
    """Well-typed rules of any shape that is not too deep."""

    def grown(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(below, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            below.map(lambda one: tree.Not(0, one)),
            several.map(lambda found: tree.joined(tree.And, 0, found)),
            several.map(lambda found: tree.joined(tree.Or, 0, found)),
        )

    return st.recursive(atoms(), grown, max_leaves=6).filter(_is_shallow)


def _is_shallow(rule: tree.Condition) -> bool:
    levels = 0
    below: list[Any] = [rule]
    while below := [child for node in below for child in tree.children(node)]:
        levels += 1
    return levels <= 5
