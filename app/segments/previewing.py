"""What a rule would find, before it is saved: how many, some of them, and how that differs from a segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, ScalarSelect, and_, func, select

from app.core import limits
from app.core.errors import FieldFault, Invalid, NotFound
from app.customers import listing as customers
from app.customers.listing import CustomerFilter, CustomerOrder, ListedCustomer
from app.customers.models import Customer
from app.db import planning
from app.rules import compiling, narrowing, reading
from app.rules.catalogue import Catalogue, Checked
from app.segments import catalogue as names
from app.segments import meaning, queries, ruling
from app.segments.ruling import Sent

# Any: columns of rows.


@dataclass(frozen=True, slots=True)
class Preview:
    """`joined` and `left`: who would come and go, against the segment as it is saved; None where there is none to compare with."""

    count: int
    joined: int | None
    left: int | None
    # As JSON.
    sample: Sequence[ListedCustomer]


def preview(db: Connection, catalogue: Catalogue, *, sent: Sent, segment_id: UUID | None) -> Preview:
    """Evaluated now. Raises Invalid, and Conflict where a rule that is named is broken."""
    rule = reading.check(db, catalogue, sent.tree, pointer=sent.pointer)
    saved = None if segment_id is None else _saved(db, catalogue, sent, segment_id)
    evaluated = narrowing.begun(db, rule, now=None)
    before = None if saved is None else compiling.compile_rule_for_all(saved, now=evaluated.now)
    count, joined, left = _count(db, evaluated.condition_of_all, before)
    narrowed = CustomerFilter(rule=evaluated)
    sample = customers.list_customers(db, narrowed=narrowed, order=CustomerOrder(), count=limits.SEGMENT_SAMPLE, names=None)
    return Preview(count, joined, left, sample)


def _saved(db: Connection, catalogue: Catalogue, sent: Sent, segment_id: UUID) -> Checked:
    try:
        definition, found = names.member(db, catalogue, segment_id)
    except NotFound as error:
        raise Invalid([FieldFault("/segment_id", "unknown_segment", "There is no such segment.")]) from error
    if meaning.named(sent.tree):
        others = [one for one in queries.list_definitions(db) if one.id != definition.id]
        ruling.check_circle(sent, others, segment_id=definition.id)
    return found


def _count(db: Connection, rule: ColumnElement[bool], saved: ColumnElement[bool] | None) -> tuple[int, int | None, int | None]:
    """How many there are, come and go: one statement, and so one moment of everything."""
    if saved is None:
        with planning.for_values(db):
            return db.execute(select(_those(rule))).scalar_one(), None, None
    # Counted apart and not by one scan with an OR, in which no index and no join would serve a condition.
    with planning.for_values(db):
        found, kept, both = db.execute(select(_those(rule), _those(saved), _those(and_(rule, saved)))).one()
    return found, found - both, kept - both


def _those(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(Customer).where(Customer.deleted_at.is_(None), condition).scalar_subquery()
