"""From a checked rule to one SQL expression: allow-listed columns, and every value of the caller's a bound parameter.

A rule knows two truth values and SQL three. AND and OR need no help: what is true by them is the same in both. A NOT over something
that may be NULL becomes IS NOT TRUE, and `<>` is the NOT of `=`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Date, Text, Uuid, and_, any_, collate, false, literal, not_, or_, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import Grouping, UnaryExpression
from sqlalchemy.types import TypeEngine

from app.core import contact_points
from app.core.faults import Fault
from app.db.columns import Timestamp
from app.rules import binding, tree
from app.rules.catalogue import Checked, Expression, Function, Name, Test
from app.rules.evaluation import Evaluation, Reach
from app.rules.lists import ListColumn
from app.rules.types import Type

# Any: values and expressions of any type.

# Text in the order of its code points, which is the same in every database.
_BY_CODE_POINT = "C"
_TEXTS = (Type.STRING, Type.EMAIL, Type.FOLDED)

_SQL_TYPES: Mapping[Type, TypeEngine[Any]] = {
    Type.STRING: Text(),
    Type.EMAIL: Text(),
    Type.ID: Uuid(),
    Type.BOOLEAN: Boolean(),
    Type.DATE: Date(),
    Type.TIMESTAMP: Timestamp,
}

# What turns a comparison around when its sides change places.
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class _Part:
    """A condition, and whether it is never NULL."""

    sql: ColumnElement[bool]
    is_sure: bool


def compile_rule(checked: Checked, *, now: datetime) -> ColumnElement[bool]:
    """The condition that is true for exactly the rows that match at `now`; for others it is false or NULL. For a page, or for some rows."""
    return _Compiler(checked, Evaluation(now)).condition(checked.rule).sql


def compile_rule_for_all(checked: Checked, *, now: datetime) -> ColumnElement[bool]:
    """The same where all rows that match are wanted, to be counted or written down."""
    return compile_part(checked, Evaluation(now, Reach.ALL))


def compile_part(checked: Checked, evaluation: Evaluation) -> ColumnElement[bool]:
    """The same of a rule that a name in another one stands for, which is being evaluated."""
    reach = Reach.SOME if evaluation.reach is Reach.ALL and _is_narrowed(checked) else evaluation.reach
    return _Compiler(checked, replace(evaluation, reach=reach)).condition(checked.rule).sql


def compile_value(checked: Checked, node: tree.Scalar, *, now: datetime) -> Expression:
    """What `node`, a part of the rule that is no literal and no list, is for a row; to show why the rule takes it or not."""
    return _Compiler(checked, Evaluation(now)).value(node, None)


@dataclass(frozen=True, slots=True)
class _Compiler:
    checked: Checked
    evaluation: Evaluation

    def condition(self, node: tree.Condition) -> _Part:
        match node:
            case tree.And(conditions=found):
                parts = [self.condition(one) for one in found]
                return _Part(and_(*(part.sql for part in parts)), all(part.is_sure for part in parts))
            case tree.Or(conditions=found):
                parts = [self.condition(one) for one in found]
                return _Part(or_(*(part.sql for part in parts)), all(part.is_sure for part in parts))
            case tree.Not(condition=inner):
                return _inverse(self.condition(inner))
            case tree.Truth(value=value):
                return _Part(true() if value else false(), is_sure=True)
            case tree.Call():
                return _Part(self._call(node), not self._function(node).nullable)
            case tree.IsNull(value=value):
                return _Part(self._is_null(value), is_sure=True)
        return self._compared(node)

    def _compared(self, node: tree.Comparison | tree.Between | tree.Like | tree.In) -> _Part:
        match node:
            case tree.Comparison(operator=operator, left=left, right=right):
                if isinstance(right, tree.Call) and isinstance(left, tree.Number):
                    operator, left, right = _MIRRORED[operator], right, left
                others: Sequence[tree.Scalar] = (right,)
            case tree.Between(value=left, low=low, high=high):
                operator, others = "BETWEEN", (low, high)
            case tree.In(value=left, choices=choices):
                operator, others = "IN", choices.items
            case tree.Like(value=left, pattern=pattern):
                operator, others = "LIKE", (pattern,)
        if operator == "<>":
            return _inverse(self._asked("=", left, others))
        return self._asked(operator, left, others)

    def _asked(self, operator: str, left: tree.Scalar, others: Sequence[tree.Scalar]) -> _Part:
        is_sure = all(self._is_sure(one) for one in (left, *others))
        measured = self._measured(operator, left, others)
        if measured is not None:
            return _Part(measured, is_sure)
        kind = self._common([left, *others])
        if operator == "IN" and kind is not Type.FOLDED:
            sql = self.value(left, kind) == any_(self._array(kind, others))
        else:
            sql = _OPERATIONS[operator](*(self._ordered(one, kind, operator) for one in (left, *others)))
        return _Part(sql, is_sure)

    def _measured(self, operator: str, left: tree.Scalar, others: Sequence[tree.Scalar]) -> ColumnElement[bool] | None:
        """A function that compares itself with numbers."""
        if not isinstance(left, tree.Call):
            return None
        function = self._function(left)
        numbers = [other.value for other in others if isinstance(other, tree.Number)]
        if function.compare is None or len(numbers) < len(others):
            return None
        return function.compare(self.evaluation, Test(operator, tuple(numbers)), *self._arguments(left, function))

    def _ordered(self, node: tree.Scalar, kind: Type, operator: str) -> Expression:
        if operator == "LIKE" and kind is Type.EMAIL and isinstance(node, tree.Text):
            # A pattern is no address, even where it looks like one.
            return literal(contact_points.email_key(node.value), Text())
        found = self.value(node, kind)
        # In parentheses, which SQLAlchemy leaves out around the bounds of a BETWEEN.
        return Grouping(collate(found, _BY_CODE_POINT)) if kind in _TEXTS and operator in _OF_ORDER else found

    def value(self, node: tree.Scalar, kind: Type | None) -> Expression:
        """`node` as SQL; a literal as a value of `kind`, which is what it is compared with."""
        match node:
            case tree.Property(name=name):
                return cast(Expression, self._name(name).sql)
            case tree.Call():
                return self._call(node)
            case tree.Number(value=number):
                return binding.number(number)
            case tree.Text(value=text) if kind in (Type.EMAIL, Type.ID):
                return literal(_PLAIN[kind](text), _SQL_TYPES[kind])
            case tree.Text(value=text):
                return literal(text, Text())
        return literal(node.value, _SQL_TYPES[_LITERALS[type(node)]])

    def _call(self, node: tree.Call) -> Expression:
        function = self._function(node)
        return function.value(self.evaluation, *self._arguments(node, function))

    def _arguments(self, node: tree.Call, function: Function) -> list[Any]:
        found: list[Any] = []
        for argument, parameter in zip(node.arguments, function.parameters, strict=True):
            if isinstance(argument, tree.Items):
                found.append([item.value for item in argument.items if isinstance(item, tree.Text)])
            elif parameter.literal and isinstance(argument, tree.Text | tree.Number):
                found.append(argument.value)
            else:
                found.append(self.value(argument, None))
        return found

    def _is_null(self, node: tree.Scalar) -> ColumnElement[bool]:
        if isinstance(node, tree.Property):
            name = self._name(node.name)
            if name.type.is_list:
                return cast(ListColumn, name.sql).is_empty()
        return self.value(node, None).is_(None)

    def _array(self, kind: Type, items: Sequence[tree.Scalar]) -> Expression:
        """All in one parameter, so that lists of any length are one prepared statement."""
        values: list[Any] = [item.value for item in items if not isinstance(item, tree.Property | tree.Call)]
        if kind.family is Type.NUMBER:
            return binding.numbers(values)
        plain = _PLAIN.get(kind)
        return literal([plain(value) for value in values] if plain else values, ARRAY(_SQL_TYPES[kind]))

    def _common(self, nodes: Sequence[tree.Scalar]) -> Type:
        """The type by which `nodes` are compared: a text takes that of the others."""
        kinds = [kind for node in nodes if (kind := self._type(node)) is not None]
        return kinds[0] if kinds else Type.STRING

    def _type(self, node: tree.Scalar) -> Type | None:
        match node:
            case tree.Property(name=name):
                return self._name(name).type
            case tree.Call():
                return self._function(node).result
        return _LITERALS.get(type(node))

    def _is_sure(self, node: tree.Scalar) -> bool:
        match node:
            case tree.Property(name=name):
                return not self._name(name).nullable
            case tree.Call():
                return not self._function(node).nullable
        return True

    def _name(self, name: str) -> Name:
        return self.checked.catalogue.name(name)

    def _function(self, node: tree.Call) -> Function:
        return self.checked.catalogue.function(node.function)


def _is_narrowed(checked: Checked) -> bool:
    """Whether a condition on the row itself has to be true: then aggregates are looked up for the rows that it leaves."""
    conditions = checked.rule.conditions if isinstance(checked.rule, tree.And) else (checked.rule,)
    functions = checked.catalogue.functions
    return not all(
        any(isinstance(node, tree.Call) and functions[node.function].is_aggregate for node in tree.walk(one)) for one in conditions
    )


def _inverse(part: _Part) -> _Part:
    if part.is_sure and isinstance(part.sql, UnaryExpression) and part.sql.operator is operators.inv:
        # Twice NOT would keep the planner from seeing the EXISTS in it.
        return _Part(part.sql.element, is_sure=True)
    return _Part(not_(part.sql) if part.is_sure else Grouping(part.sql).is_not(true()), is_sure=True)


def _email(text: str) -> str:
    """As the column has it. A text that is no address may still be compared with: nothing equals it."""
    try:
        return contact_points.email_key(contact_points.normalise_email(text))
    except Fault:
        return contact_points.email_key(text)


_PLAIN: Mapping[Type, Callable[[str], Any]] = {Type.EMAIL: _email, Type.ID: UUID}

# Texts are not among them: they take the type of the other side.
_LITERALS: Mapping[type[tree.Node], Type] = {
    tree.Number: Type.NUMBER,
    tree.Truth: Type.BOOLEAN,
    tree.Day: Type.DATE,
    tree.Moment: Type.TIMESTAMP,
}

_OF_ORDER = ("<", "<=", ">", ">=", "BETWEEN")

# `<>` is not among them: it is the inverse of `=`.
_OPERATIONS: Mapping[str, Callable[..., ColumnElement[bool]]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "BETWEEN": lambda value, low, high: value.between(low, high),
    "LIKE": lambda value, pattern: value.like(pattern),
    "IN": lambda value, *choices: value.in_(choices),
}
