"""A rule on its way into a definition: read from what was sent, held against the catalogue, and against all the other definitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.attributes import catalogue as attributes
from app.attributes import queries as attribute_queries
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.db.unit_of_work import UnitOfWork
from app.rules import printing, reading
from app.rules.catalogue import Catalogue, names_below
from app.rules.errors import RuleError, shown
from app.rules.tree import Condition
from app.segments import meaning
from app.segments.definition import Definition
from app.segments.meaning import Meanings

# Any: what the schemas load.

_READERS = {"rule": reading.parse_json, "rule_text": reading.parse_text}


@dataclass(frozen=True, slots=True)
class Sent:
    """A rule, and where it stood in the body."""

    tree: Condition
    pointer: str


@dataclass(frozen=True, slots=True)
class Named:
    """A rule as it is kept, and what it names."""

    text: str | None
    attributes: list[str]
    segments: list[UUID]


def sent(data: Mapping[str, Any]) -> list[Sent]:
    """The rules in a body: none, one, or the same as JSON and as text. Raises Invalid."""
    given = {name: read for name, read in _READERS.items() if data.get(name) is not None}
    return [Sent(read(data[name], pointer=f"/{name}"), f"/{name}") for name, read in given.items()]


def one_of(found: Sequence[Sent]) -> Sent | None:
    """The rule that was sent, if any. Raises Invalid where they were two."""
    if len(found) == 2 and found[0].tree != found[1].tree:
        raise Invalid([FieldFault(found[1].pointer, "two_rules", "`rule` and `rule_text` say different things: send one of them.")])
    return found[0] if found else None


def only(data: Mapping[str, Any]) -> Sent:
    """The rule that there has to be. Raises Invalid."""
    found = one_of(sent(data))
    if found is None:
        raise Invalid([FieldFault("/rule", "required", "Send a `rule`, or the same as `rule_text`.")])
    return found


def other_than(before: Definition, found: Sequence[Sent]) -> Sent | None:
    """The rule that a change brings; None where it says what is there. A caller may send back what he read, with one form changed."""
    try:
        stored = None if before.rule_text is None else reading.parse_text(before.rule_text, pointer="")
    except Invalid:
        stored = None
    return one_of([one for one in found if one.tree != stored])


def meant(unit: UnitOfWork, catalogue: Catalogue, rule: Sent, others: Sequence[Definition], *, segment_id: UUID) -> Named:
    """`rule` as that of the segment `segment_id`. The attributes that it names cannot be retired until the unit ends.

    Raises Invalid, also where segments would come round to themselves.
    """
    names = sorted(names_below(attributes.PREFIX, rule.tree))
    attribute_queries.share_definitions(unit.connection, names)
    reading.check(unit.connection, catalogue, rule.tree, pointer=rule.pointer)
    check_circle(rule, others, segment_id=segment_id)
    _check_weight(rule, others)
    text = printing.text(rule.tree)
    # Written out it may be longer than it was sent, and too long to be read again.
    reading.parse_text(text, pointer=rule.pointer)
    ids = {one.name: one.id for one in others}
    return Named(text, names, sorted(ids[name] for name in meaning.named(rule.tree)))


def check_circle(rule: Sent, others: Sequence[Definition], *, segment_id: UUID) -> None:
    """Raises Invalid where a segment that `rule` names is the segment itself, or names it further down."""
    by_id = {one.id: one for one in others}
    by_name = {one.name: one for one in others}
    for name, node in meaning.named(rule.tree).items():
        if name not in by_name or segment_id in _reached(by_name[name], by_id):
            told = f"The segment `{shown(name)}` names this one: they would come round to themselves."
            raise RuleError.one(node.at, "segment_circle", told).as_invalid(rule.pointer)


def users(definition: Definition, others: Sequence[Definition]) -> list[Definition]:
    """Those whose rule names the segment, also through others, by name."""
    found: dict[UUID, Definition] = {}
    reached = {definition.id}
    while True:
        more = [one for one in others if one.id not in found and reached & set(one.segments)]
        if not more:
            return sorted(found.values(), key=lambda one: one.name)
        found |= {one.id: one for one in more}
        reached = {one.id for one in more}


def check_users(after: Definition, rule: Sent, others: Sequence[Definition]) -> None:
    """Raises Invalid where a rule that names the changed one would become too much by it."""
    meanings = Meanings([*others, after], lambda: ())
    for one in users(after, others):
        try:
            meaning.check_weight(meanings.weight_of(one.name), meaning.OF_A_SEGMENT)
        except Fault as fault:
            told = f"With it the segment `{shown(one.name)}`, which names this one, would be too much. {fault.detail}"
            raise Invalid([FieldFault(rule.pointer, fault.code, told)]) from fault


def _check_weight(rule: Sent, others: Sequence[Definition]) -> None:
    try:
        meaning.check_weight(Meanings(others, lambda: ()).weight(rule.tree), meaning.OF_A_SEGMENT)
    except Fault as fault:
        raise Invalid([FieldFault(rule.pointer, fault.code, fault.detail)]) from fault


def _reached(definition: Definition, by_id: Mapping[UUID, Definition]) -> Collection[UUID]:
    found: set[UUID] = set()
    waiting = [definition.id]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(by_id[one].segments if one in by_id else ())
    return found
