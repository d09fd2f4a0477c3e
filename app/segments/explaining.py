"""Why a customer is in a segment, or is not: each clause of its rule, and of those that it names, with the customer's own values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Connection, false, func, select

from app.core.errors import NotFound
from app.customers.models import Customer
from app.rules import compiling, narrowing, printing
from app.rules.catalogue import Catalogue, Checked
from app.rules.tree import And, AnyNode, Call, Condition, Not, Or, Property, Scalar, walk
from app.segments import belonging, queries
from app.segments import catalogue as names
from app.segments.meaning import IN_SEGMENT, Meanings

# Any: expressions, and values of any type.

# PostgreSQL has no more in one SELECT than 1,664.
_COLUMNS_A_STATEMENT = 1_000

_KINDS = {And: "and", Or: "or", Not: "not"}


@dataclass(slots=True)
class Clause:
    """A part of a rule; its answers are places among those of the statement."""

    kind: str
    text: str
    passed: int
    values: list[tuple[str, int]] = field(default_factory=list)
    clauses: list[Clause] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Explanation:
    passed: bool
    evaluated_at: datetime
    # JSON: `kind`, `text`, `passed`, `values` [{name, value}] and `clauses` of the same.
    clause: dict[str, Any]


def explain(db: Connection, catalogue: Catalogue, *, segment_id: UUID, customer_id: UUID) -> Explanation:
    """Evaluated now. Raises NotFound, Gone where the customer is deleted, and Conflict where a rule is broken."""
    definitions = queries.list_definitions_reached_by_id(db, segment_id)
    definition = next((one for one in definitions if one.id == segment_id), None)
    if definition is None:
        raise NotFound
    belonging.check_living(db, customer_id)
    meanings = names.meanings(db, catalogue, definitions)
    member = meanings.member(definition)
    now = narrowing.begun(db, member, now=None).now
    asked = _Asked(meanings, now)
    clause = asked.clause(member if definition.rule_text is None else meanings.checked(definition.name))
    answers = _answers(db, customer_id, asked.columns)
    return Explanation(bool(answers[clause.passed]), now, _shown(clause, answers))


@dataclass(slots=True)
class _Asked:
    """What the statement asks: a column for each clause and for each value."""

    meanings: Meanings
    now: datetime
    columns: list[ColumnElement[Any]] = field(default_factory=list)

    def clause(self, checked: Checked) -> Clause:
        node = checked.rule
        found = Clause(_kind(node), printing.text(node), self._column(self._passed(checked)))
        match node:
            case And(conditions=parts) | Or(conditions=parts):
                found.clauses = [self.clause(Checked(part, checked.catalogue)) for part in parts]
            case Not(condition=part):
                found.clauses = [self.clause(Checked(part, checked.catalogue))]
            case Call(function=function) if function == IN_SEGMENT:
                found.clauses = list(self._named(node))
            case _:
                values = {printing.text(one): one for one in walk(node) if one is not node and isinstance(one, Property | Call)}
                found.values = [(text, self._column(self._value(checked, one))) for text, one in values.items()]
        return found

    def _named(self, node: Call) -> Iterator[Clause]:
        """The rule of the segment that is named; nothing of a static one."""
        (name,) = (one.value for one in node.arguments if hasattr(one, "value"))
        if self.meanings.by_name[str(name)].rule_text is not None:
            yield self.clause(self.meanings.checked(str(name)))

    def _passed(self, checked: Checked) -> ColumnElement[bool]:
        return func.coalesce(compiling.compile_rule(checked, now=self.now), false())

    def _value(self, checked: Checked, node: AnyNode) -> ColumnElement[Any]:
        if isinstance(node, Property) and (name := checked.catalogue.name(node.name)).type.is_list:
            return cast(ColumnElement[Any], cast(Any, name.sql).column)
        return compiling.compile_value(checked, cast(Scalar, node), now=self.now)

    def _column(self, expression: ColumnElement[Any]) -> int:
        self.columns.append(expression)
        return len(self.columns) - 1


def _answers(db: Connection, customer_id: UUID, columns: Sequence[ColumnElement[Any]]) -> list[Any]:
    found: list[Any] = []
    for begin in range(0, len(columns), _COLUMNS_A_STATEMENT):
        some = [column.label(f"c{number}") for number, column in enumerate(columns[begin : begin + _COLUMNS_A_STATEMENT])]
        found.extend(db.execute(select(*some).where(Customer.id == customer_id)).one())
    return found


def _shown(clause: Clause, answers: Sequence[Any]) -> dict[str, Any]:
    return {
        "kind": clause.kind,
        "text": clause.text,
        "passed": answers[clause.passed],
        "values": [{"name": name, "value": _json(answers[place])} for name, place in clause.values],
        "clauses": [_shown(one, answers) for one in clause.clauses],
    }


def _json(value: Any) -> Any:
    # With every digit.
    return orjson.Fragment(format(value, "f")) if isinstance(value, Decimal) else value


def _kind(node: Condition) -> str:
    if isinstance(node, Call) and node.function == IN_SEGMENT:
        return IN_SEGMENT
    return _KINDS.get(type(node), "condition")
