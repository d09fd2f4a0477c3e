"""What rules may name: typed names and functions, brought by the features, and how each becomes SQL. Knows no feature."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, any_

from app.core.faults import Fault
from app.rules import binding
from app.rules.errors import nearest, shown
from app.rules.evaluation import Evaluation
from app.rules.lists import ListColumn
from app.rules.tree import AnyNode, Call, Condition, Property, walk
from app.rules.types import Type

# Any: expressions and values of any type.
Expression = ColumnElement[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name and the column behind it: an expression of the type, or for a list type a ListColumn."""

    name: str
    type: Type
    # For people; a sentence.
    meaning: str
    # field, metric or attribute.
    kind: str
    sql: Expression | ListColumn
    # The only values there are; empty: any.
    choices: tuple[str, ...] = ()
    nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Names that begin alike and are more than can be listed, such as `metrics.order_total.<CUR>`."""

    prefix: str
    # What comes behind the prefix, in angle brackets, for people.
    rest: str
    type: Type
    meaning: str
    kind: str
    # The name that is behind the prefix. Raises Fault where there is none.
    find: Callable[[str], Name]


@dataclass(frozen=True, slots=True)
class Test:
    """What the value of a function is asked: `operator` is =, <, <=, >, >=, BETWEEN or IN, and `values` what it is compared with."""

    __test__ = False  # pytest takes every class of this name for its own

    operator: str
    values: tuple[int | Decimal, ...]

    def of(self, value: Expression) -> ColumnElement[bool]:
        """The question as SQL; `value` must not be NULL."""
        match self.operator:
            case "BETWEEN":
                low, high = map(binding.number, self.values)
                return value.between(low, high)
            case "IN":
                return value == any_(binding.numbers(self.values))
        return value.op(self.operator, is_comparison=True)(binding.number(self.values[0]))

    @property
    def least(self) -> int | None:
        """The whole number from which on all pass and none before; of a test that 0 passes, of its opposite. None: there is none such."""
        first = self.values[0]
        match self.operator:
            case ">=" | "<":
                return math.ceil(first)
            case ">" | "<=":
                return math.floor(first) + 1
            case "=" if first == 0:
                return 1
        return None

    def passes(self, value: int) -> bool:
        """The same of one value."""
        first = self.values[0]
        match self.operator:
            case "=":
                return value == first
            case "IN":
                return value in self.values
            case "<":
                return value < first
            case "<=":
                return value <= first
            case ">":
                return value > first
            case ">=":
                return value >= first
        return first <= value <= self.values[1]


def _anything(_: Any) -> None:
    """Takes every value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An argument of a function. `literal`: spelt out, and passed on as a plain value and not as SQL; of a list type, a list of texts."""

    name: str
    types: tuple[Type, ...]
    literal: bool = False
    # Of a literal. Raises Fault.
    check: Callable[[Any], None] = _anything


class Value(Protocol):
    """What a function gives, as SQL. Arguments are expressions, or plain values where the parameter is literal."""

    def __call__(self, evaluation: Evaluation, /, *arguments: Any) -> Expression: ...


class Compare(Protocol):
    """A function compared with numbers that are spelt out, as one condition; None: `value` is to be compared instead.

    It is what lets an aggregate be evaluated once for the statement instead of once for each row, and a range be found by an index. Only
    where the function is nullable may the condition be NULL, which counts as no.
    """

    def __call__(self, evaluation: Evaluation, test: Test, /, *arguments: Any) -> ColumnElement[bool] | None: ...


class Range(Protocol):
    """Where a time lies for which rows: behind the first moment and up to the second. As a condition, for an index."""

    def __call__(self, low: datetime, high: datetime, /) -> ColumnElement[bool]: ...


class Turns(Protocol):
    """The rows for which a function may give another answer at the second moment than at the first, by time alone; None: only evaluating
    it twice can tell.

    As conditions each of which an index serves; a row has turned only where one of them is true. `against` is what the function is
    compared with: a Test where that is a number spelt out, a Range where it is a time, else None. Arguments are times, as ranges, or
    plain values where the parameter is literal.
    """

    def __call__(
        self, since: datetime, now: datetime, against: Test | Range | None, /, *arguments: Any
    ) -> Sequence[ColumnElement[bool]] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function; with the result BOOLEAN it is a condition, and can be no value. Whether it is NULL never depends on when it is asked."""

    name: str
    parameters: tuple[Parameter, ...]
    result: Type
    meaning: str
    value: Value
    compare: Compare | None = None
    nullable: bool = True
    # Whether what it gives changes by time alone.
    uses_time: bool = False
    # Whether it is made of the rows of another table.
    is_aggregate: bool = False
    turns: Turns | None = None
    # Of a condition: the rule that a call with these literal arguments stands for; None where no time turns it.
    stands_for: Callable[..., Checked | None] | None = None


class Provider(Protocol):
    """Brings what only the database knows, such as custom attributes and segments; asked once for each rule, before it is checked."""

    def entries(self, db: Connection, rule: Condition) -> Entries:
        """What `rule` needs; empty, and without a statement, where it needs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What one feature brings. A family or function of the same name as an earlier one takes its place."""

    names: Sequence[Name] = ()
    families: Sequence[Family] = ()
    functions: Sequence[Function] = ()
    providers: Sequence[Provider] = ()
    # Of times by their names, where an index of another table finds them and none over the column does.
    ranges: Mapping[str, Range] = field(default_factory=dict)
    # Of a provider: all that these were made of. Where it is equal they mean the same, and make the same SQL.
    edition: Hashable = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the rules about one kind of row may name."""

    names: Mapping[str, Name]
    families: Mapping[str, Family]
    functions: Mapping[str, Function]
    providers: tuple[Provider, ...] = field(default=())
    ranges: Mapping[str, Range] = field(default_factory=dict)
    # Where it is equal everything means the same. Nothing is equal to what does not say so.
    edition: Hashable = field(default_factory=object)

    @classmethod
    def of(cls, brought: Iterable[Entries]) -> Catalogue:
        """Raises ValueError where two features bring the same name."""
        names: dict[str, Name] = {}
        families: dict[str, Family] = {}
        functions: dict[str, Function] = {}
        providers: list[Provider] = []
        ranges: dict[str, Range] = {}
        for entries in brought:
            for name in entries.names:
                if name.name in names:
                    raise ValueError(f"two features bring the name {name.name}")
                names[name.name] = name
            families |= {family.prefix: family for family in entries.families}
            functions |= {function.name: function for function in entries.functions}
            providers.extend(entries.providers)
            ranges |= entries.ranges
        return cls(names, families, functions, tuple(providers), ranges)

    def prepared(self, db: Connection, rule: Condition) -> Catalogue:
        """With what the providers bring for `rule`."""
        brought = [provider.entries(db, rule) for provider in self.providers]
        families = {family.prefix: family for entries in brought for family in entries.families}
        functions = {function.name: function for entries in brought for function in entries.functions}
        edition = (self.edition, *(entries.edition for entries in brought))
        families, functions = {**self.families, **families}, {**self.functions, **functions}
        return Catalogue(self.names, families, functions, self.providers, self.ranges, edition)

    def name(self, name: str) -> Name:
        """Raises Fault, with the nearest name."""
        if name in self.names:
            return self.names[name]
        for prefix, family in self.families.items():
            if name.startswith(prefix) and len(name) > len(prefix):
                return family.find(name.removeprefix(prefix))
        last = name.rpartition(".")[2]
        known = [*self.names, *(prefix + last for prefix in self.families)]
        hint = nearest(name, known) or " Text stands in single quotes."
        raise Fault("unknown_name", f"There is no name `{shown(name)}`.{hint}")

    def function(self, name: str) -> Function:
        """Raises Fault, with the nearest function."""
        if name in self.functions:
            return self.functions[name]
        raise Fault("unknown_function", f"There is no function `{shown(name)}`.{nearest(name, self.functions)}")


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule whose every name, type and argument was found right, and the catalogue that it was held against."""

    rule: Condition
    catalogue: Catalogue

    @property
    def uses_time(self) -> bool:
        """Whether it depends on when it is evaluated."""
        return self.in_time(self.rule)

    def in_time(self, part: AnyNode) -> bool:
        """Whether `part` of it depends on when it is evaluated."""
        return any(isinstance(node, Call) and self.catalogue.functions[node.function].uses_time for node in walk(part))


def names_below(prefix: str, rule: AnyNode) -> set[str]:
    """What stands behind `prefix` in the names of `rule`, for providers."""
    found = (node.name for node in walk(rule) if isinstance(node, Property))
    return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}
