"""What rules about interactions may name: their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import Connection, Numeric, type_coerce

from app.contact_history.models import ContactHistoryEntry
from app.contact_history.record import DIRECTIONS
from app.core.faults import Fault
from app.db.base import table_of
from app.rules.catalogue import Entries, Family, Name, names_below
from app.rules.tree import Condition
from app.rules.types import Type

_ENTRIES = table_of(ContactHistoryEntry)

_FIELDS: tuple[tuple[str, Type, str], ...] = (
    ("id", Type.ID, "The interaction's id."),
    ("customer_id", Type.ID, "Whose it is."),
    ("kind", Type.STRING, "What it is: call, email, order, return and others."),
    ("channel", Type.STRING, "The way it took: phone, web, store and others."),
    ("direction", Type.STRING, "Who turned to whom."),
    ("subject", Type.STRING, "What it is about."),
    ("body", Type.STRING, "Its text."),
    ("outcome", Type.STRING, "What came of it."),
    ("agent", Type.STRING, "Who of the company took part."),
    ("occurred_at", Type.TIMESTAMP, "When it happened."),
    ("duration_seconds", Type.INTEGER, "How long it took."),
    ("amount", Type.NUMBER, "The amount of money, in its currency."),
    ("currency", Type.STRING, "The currency of the amount, ISO 4217."),
    ("source", Type.STRING, "The system that it comes from."),
    ("external_id", Type.STRING, "The id that the source has for it."),
    ("version", Type.INTEGER, "Raised by every effective change."),
    ("created_at", Type.TIMESTAMP, "When it was written down here."),
    ("updated_at", Type.TIMESTAMP, "When it was last changed here."),
    ("deleted_at", Type.TIMESTAMP, "When it was withdrawn."),
)

_CHOICES = {"direction": DIRECTIONS}


def entries() -> Entries:
    """The interaction's own catalogue."""
    return Entries(names=tuple(_name(*field) for field in _FIELDS), providers=(_NoAttributes(),))


def _name(name: str, kind: Type, meaning: str) -> Name:
    column = _ENTRIES.c[name]
    # An amount is text to Python, and a number to SQL.
    sql = type_coerce(column, Numeric()) if kind is Type.NUMBER else column
    choices = _CHOICES.get(name, ())
    return Name(name=name, type=kind, meaning=meaning, kind="field", sql=sql, choices=choices, nullable=bool(column.nullable))


@dataclass(frozen=True, slots=True)
class _NoAttributes:
    """Says why there are none, to those who name one."""

    def entries(self, _: Connection, rule: Condition) -> Entries:
        return Entries(families=(_ATTRIBUTES,)) if names_below("attributes.", rule) else Entries()


def _no_attribute(_: str) -> NoReturn:
    raise Fault("unknown_name", "A rule cannot name an interaction's attributes: they are kept as they came, and have no type.")


_ATTRIBUTES = Family(
    prefix="attributes.",
    rest="name",
    type=Type.STRING,
    meaning="An attribute of the interaction.",
    kind="attribute",
    find=_no_attribute,
)
