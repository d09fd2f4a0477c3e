"""Which segments customers are in, decided for all segments in one statement; the worker and the API ask the same way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Connection, Uuid, any_, bindparam, func, select

from app.customers.models import Customer
from app.db.base import table_of
from app.rules import compiling
from app.segments.definition import STATIC, Definition
from app.segments.meaning import Meanings, has_member
from app.segments.models import SegmentMember

# Any: rows.

_MEMBERS = table_of(SegmentMember)

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_KEPT = select(func.array_agg(_MEMBERS.c.segment_id)).where(_MEMBERS.c.customer_id == Customer.id).scalar_subquery()
_SEGMENTS_A_STATEMENT = 100
# Values are parameters, of which a statement may have 65,535; those of a custom attribute are more than its nodes.
_NODES_A_STATEMENT = 20_000


@dataclass(frozen=True, slots=True)
class Membership:
    """A customer: the segments whose rule takes him, of static ones those that he was put into; none where he is deleted.

    `kept` are those that `segment_members` has him in at the same moment, gone segments and hidden members among them.
    """

    customer_id: UUID
    is_living: bool
    segments: frozenset[UUID]
    kept: frozenset[UUID]


def memberships(
    db: Connection, ids: Collection[UUID], definitions: Sequence[Definition], meanings: Meanings, now: datetime
) -> list[Membership]:
    """Of the customers `ids`, deleted or not, in which of `definitions` they are at `now`; ids that stand for nobody are left out.

    One statement for up to a hundred segments, unless their rules are very large. `meanings` hold the definitions and all that they
    name. Raises Conflict where a rule is broken: callers who go on without it leave its definition out.
    """
    found: dict[UUID, Membership] = {}
    for some in cut(definitions, meanings):
        for customer_id, is_living, kept, *decided in _decide(db, ids, some, meanings, now):
            before = found[customer_id].segments if customer_id in found else frozenset()
            taken = (one.id for one, is_in in zip(some, decided, strict=True) if is_in and is_living)
            found[customer_id] = Membership(customer_id, is_living, before | frozenset(taken), frozenset(kept or ()))
    return list(found.values())


def cut(definitions: Sequence[Definition], meanings: Meanings) -> Iterator[Sequence[Definition]]:
    """Those that one statement decides, and the next; at least one, which tells who there is."""
    some: list[Definition] = []
    nodes = 0
    for one in definitions:
        weight = meanings.weight_of(one.name).nodes
        if some and (len(some) == _SEGMENTS_A_STATEMENT or nodes + weight > _NODES_A_STATEMENT):
            yield some
            some, nodes = [], 0
        some.append(one)
        nodes += weight
    yield some


def _decide(db: Connection, ids: Collection[UUID], some: Sequence[Definition], meanings: Meanings, now: datetime) -> Sequence[Any]:
    decided = (condition(one, meanings, now) for one in some)
    living = Customer.deleted_at.is_(None).label("is_living")
    statement = select(Customer.id, living, _KEPT, *decided).where(Customer.id == any_(_IDS))
    return db.execute(statement, {"ids": list(ids)}).all()


def condition(definition: Definition, meanings: Meanings, now: datetime) -> ColumnElement[bool]:
    """What is true of exactly the customers, deleted ones too, whom the segment takes at `now`; for others it is false or NULL."""
    if definition.kind == STATIC:
        return has_member(definition.id)
    return compiling.compile_rule(meanings.checked(definition.name), now=now)
