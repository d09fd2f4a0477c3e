"""What segments mean: their rules as stored, held against the catalogue, each with those of the segments that it names.

`in_segment` is a function like any other of a rule: of a dynamic segment it is that one's own rule, put in its place with the same `now()`,
and of a static one a look into its members. So whatever compiles a rule evaluates it live, however many segments stand behind each other.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, exists

from app.core import limits
from app.core.errors import Conflict
from app.core.faults import Fault
from app.customers.models import Customer
from app.db.base import table_of
from app.rules import checking, compiling, text
from app.rules.catalogue import Catalogue, Checked, Function, Parameter
from app.rules.errors import RuleError, nearest, shown
from app.rules.evaluation import Evaluation
from app.rules.tree import And, Call, Condition, Items, Text, walk
from app.rules.types import Type
from app.segments.definition import STATIC, Definition
from app.segments.models import SegmentMember

# Any: expressions of any type.

IN_SEGMENT = "in_segment"

_MEMBERS = table_of(SegmentMember)


@dataclass(frozen=True, slots=True)
class Weight:
    """How much a rule comes to with those of all the segments that it names: conditions, names and values; and levels of segments."""

    nodes: int
    levels: int


# What a segment's rule may come to, and one that is asked once.
OF_A_SEGMENT = Weight(limits.SEGMENT_NODES_MAX, limits.SEGMENT_LEVELS_MAX)
OF_A_FILTER = Weight(2 * limits.SEGMENT_NODES_MAX, limits.SEGMENT_LEVELS_MAX + 1)


class Meanings:
    """Some segments, and all that they name: by name, each ready to be compiled."""

    def __init__(self, definitions: Iterable[Definition], names: Callable[[], Iterable[str]]) -> None:
        # `names` gives all that there are, for a sentence about one that there is not.
        self.by_name = {one.name: one for one in definitions}
        self._names = names
        self._trees: dict[str, Condition] = {}
        self._broken: dict[str, RuleError] = {}
        self._weights: dict[str, Weight] = {}
        self._checked: dict[str, Checked] = {}
        self._catalogue: Catalogue | None = None
        # As of a catalogue.
        self.edition: Hashable = None
        # Whether any of the rules depends on when it is evaluated.
        self.uses_time = False
        # Those whose check is under way: decided under one lock, no definitions make a circle, but no reader may hang on it.
        self._under_way: set[str] = set()
        for one in self.by_name.values():
            if one.rule_text is not None:
                try:
                    self._trees[one.name] = text.parse(one.rule_text)
                except RuleError as error:
                    self._broken[one.name] = error

    def prepare(self, db: Connection, catalogue: Catalogue) -> None:
        """Hold the rules against `catalogue`, which has no segments yet, and against what only the database knows of it."""
        prepared = catalogue.prepared(db, And(0, tuple(self._trees.values())))
        called = {node.function for tree in self._trees.values() for node in walk(tree) if isinstance(node, Call)}
        self.uses_time = any(prepared.functions[name].uses_time for name in called & set(prepared.functions))
        functions = {**prepared.functions, IN_SEGMENT: self.function(Weight(0, 0))}
        rules = sorted((one.id, one.name, one.kind, one.rule_text or "") for one in self.by_name.values())
        self.edition = (prepared.edition, *rules)
        self._catalogue = Catalogue(prepared.names, prepared.families, functions, ranges=prepared.ranges, edition=self.edition)

    def function(self, whole: Weight) -> Function:
        """`in_segment`, for a rule that names these segments and with them comes to `whole`."""

        def check(name: str) -> None:
            check_weight(whole, OF_A_FILTER)
            self._check(name)

        # What is put in place of a name may be NULL wherever its columns are.
        return function(
            check=check, value=self._condition, nullable=bool(self._trees), uses_time=self.uses_time, stands_for=self._stands_for
        )

    def checked(self, name: str) -> Checked:
        """The rule of the dynamic segment `name`. Raises Conflict where it is stored and means nothing any more."""
        assert self._catalogue is not None
        if name not in self._checked:
            try:
                if name in self._broken:
                    raise self._broken[name]
                self._checked[name] = checking.check(self._trees[name], self._catalogue)
            except RuleError as error:
                told = [{"code": fault.code, "detail": fault.detail, "position": fault.at} for fault in error.faults]
                raise Conflict("segment_rule_broken", segment_id=self.by_name[name].id, name=name, faults=told) from error
        return self._checked[name]

    def member(self, definition: Definition) -> Checked:
        """The rule that asks for this segment alone. Raises Conflict where its own is broken."""
        assert self._catalogue is not None
        return checking.check(Call(0, IN_SEGMENT, (Text(0, definition.name),)), self._catalogue)

    def weight(self, rule: Condition) -> Weight:
        """Of `rule` with all that it names; a name that there is not, and one that comes round again, weigh nothing."""
        return self._weight(rule, frozenset())

    def weight_of(self, name: str) -> Weight:
        """Of the rule of the segment `name`."""
        if name not in self._weights:
            tree = self._trees.get(name)
            self._weights[name] = Weight(1, 0) if tree is None else self._weight(tree, frozenset((name,)))
        return self._weights[name]

    def _weight(self, rule: Condition, above: frozenset[str]) -> Weight:
        # Values in a list are one parameter, whatever their number.
        nodes = sum(1 - (len(node.items) if isinstance(node, Items) else 0) for node in walk(rule))
        levels = 0
        for name in named(rule):
            if name in above or name not in self.by_name:
                continue
            if name not in self._weights:
                tree = self._trees.get(name)
                self._weights[name] = Weight(1, 0) if tree is None else self._weight(tree, above | {name})
            nodes += self._weights[name].nodes
            levels = max(levels, 1 + self._weights[name].levels)
        return Weight(nodes, levels)

    def _check(self, name: str) -> None:
        definition = self.by_name.get(name)
        if definition is None:
            raise Fault("unknown_segment", f"There is no segment `{shown(name)}`.{nearest(name, self._names())}")
        if name in self._under_way:
            raise Fault("segment_circle", f"The segment `{shown(name)}` comes round to itself.")
        if definition.kind != STATIC:
            self._under_way.add(name)
            try:
                self.checked(name)
            finally:
                self._under_way.discard(name)

    def _stands_for(self, name: str) -> Checked | None:
        return None if self.by_name[name].kind == STATIC else self.checked(name)

    def _condition(self, evaluation: Evaluation, name: str) -> ColumnElement[bool]:
        definition = self.by_name[name]
        if definition.kind == STATIC:
            return has_member(definition.id)
        return compiling.compile_part(self.checked(name), evaluation)


def has_member(segment_id: UUID) -> ColumnElement[bool]:
    """Whether the customer of a row is a member of a static segment."""
    return exists().where(_MEMBERS.c.customer_id == Customer.id, _MEMBERS.c.segment_id == segment_id)


def function(
    *,
    check: Callable[[Any], None],
    value: Any,
    nullable: bool,
    uses_time: bool,
    stands_for: Callable[[str], Checked | None] | None = None,
) -> Function:
    return Function(
        name=IN_SEGMENT,
        # The rule that it stands for decides it.
        is_aggregate=True,
        parameters=(Parameter(name="name", types=(Type.STRING,), literal=True, check=check),),
        result=Type.BOOLEAN,
        meaning="Whether the customer is in the segment of this name, now.",
        value=value,
        nullable=nullable,
        uses_time=uses_time,
        stands_for=stands_for,
    )


def named(rule: Condition) -> dict[str, Text]:
    """The segments that `rule` names, each where it does first."""
    found: dict[str, Text] = {}
    for node in walk(rule):
        if isinstance(node, Call) and node.function == IN_SEGMENT and node.arguments and isinstance(node.arguments[0], Text):
            found.setdefault(node.arguments[0].value, node.arguments[0])
    return found


def check_weight(weight: Weight, most: Weight) -> None:
    """Raises Fault."""
    if weight.levels > most.levels:
        raise Fault("segments_too_deep", f"Segments may stand behind each other over {most.levels} levels.")
    if weight.nodes > most.nodes:
        told = f"With those of the segments that it names a rule may have {most.nodes} conditions, names and values outside of lists."
        raise Fault("rule_too_large", told)
