"""Whether a rule means something: every name known, every type right, every argument good. No SQL is made before that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core import limits
from app.core.faults import Fault
from app.rules.catalogue import Catalogue, Checked, Function, Parameter
from app.rules.errors import RuleError, RuleFault, nearest
from app.rules.tree import (
    And,
    AnyNode,
    At,
    Between,
    Call,
    Comparison,
    Condition,
    Day,
    In,
    IsNull,
    Items,
    Like,
    Moment,
    Not,
    Number,
    Or,
    Property,
    Scalar,
    Text,
    Truth,
)
from app.rules.types import OPERATORS, WRITTEN, Type

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")

# Texts in single quotes stand for values of these types.
_SPELT_AS_TEXT = (Type.STRING, Type.EMAIL, Type.ID)


def check(rule: Condition, catalogue: Catalogue) -> Checked:
    """`rule`, ready to be compiled. Raises RuleError with what is wrong, in the order of the rule."""
    checker = _Checker(catalogue)
    try:
        checker.condition(rule)
    except _EnoughError:
        raise RuleError(checker.faults) from None
    if checker.faults:
        raise RuleError(checker.faults)
    return Checked(rule, catalogue)


class _EnoughError(Exception):
    """So many faults say enough, and each unknown name is compared with every known one."""


@dataclass(slots=True)
class _Checker:
    catalogue: Catalogue
    faults: list[RuleFault] = field(default_factory=list)

    def condition(self, node: Condition) -> None:
        match node:
            case And(conditions=found) | Or(conditions=found):
                for one in found:
                    self.condition(one)
            case Not(condition=one):
                self.condition(one)
            case Call():
                function = self._function(node)
                if function is not None and function.result is not Type.BOOLEAN:
                    self._add(node.at, "wrong_type", f"`{node.function}` gives a value: compare it, as in `{node.function}(…) > 3`.")
            case Comparison(operator=operator, left=left, right=right):
                self._pair(node.at, operator, left, (right,))
            case Between(value=value, low=low, high=high):
                self._pair(node.at, "BETWEEN", value, (low, high))
            case In(value=value, choices=choices):
                self._among(node, value, choices)
            case Like(value=value, pattern=pattern):
                self._pair(node.at, "LIKE", value, (pattern,))
                self._pattern(pattern)
            case IsNull(value=value):
                self._type(value)

    def _among(self, node: In, value: Scalar, choices: Items) -> None:
        if not choices.items:
            self._add(choices.at, "wrong_count", "A list after IN has at least one value.")
        for item in choices.items:
            if not _is_spelt_out(item):
                self._add(item.at, "wrong_type", "In a list only values stand: no name, and of functions only CASEI('…').")
                return
        self._pair(node.at, "IN", value, choices.items)

    def _pair(self, at: At, operator: str, left: Scalar, others: Sequence[Scalar]) -> None:
        """`left` and each of `others` can be compared by `operator`."""
        kind = self._type(left)
        others_kinds = [self._type(other) for other in others]
        if kind is None or None in others_kinds:
            return
        # A text takes the type of what it is compared with.
        common = kind
        for other, its in zip(others, others_kinds, strict=True):
            if isinstance(left, Text) and not isinstance(other, Text) and its in _SPELT_AS_TEXT:
                common = its
        if operator not in OPERATORS[common]:
            self._add(at, "wrong_operator", f"{_told(left)} is of type {common.value}, which takes {', '.join(OPERATORS[common])}.")
            return
        for node, its in ((left, kind), *zip(others, others_kinds, strict=True)):
            if its is not None and not _agrees(node, its, common):
                self._add(node.at, "wrong_type", f"Expected {WRITTEN[common]}{_why(node, its, common)}.")
            elif isinstance(node, Text) and operator != "LIKE":
                self._text(node, common, self._choices([left, *others]))

    def _text(self, node: Text, kind: Type, choices: Sequence[str]) -> None:
        if kind is Type.ID and not _UUID.match(node.value):
            self._add(node.at, "invalid_id", "This is no id of ours.")
        elif choices and node.value not in choices:
            self._add(node.at, "not_a_choice", f"This can only be one of {', '.join(choices)}.{nearest(node.value, choices)}")

    def _choices(self, nodes: Sequence[Scalar]) -> Sequence[str]:
        for node in nodes:
            if isinstance(node, Property):
                return self.catalogue.name(node.name).choices
        return ()

    def _pattern(self, pattern: Scalar) -> None:
        inner = pattern.arguments[0] if isinstance(pattern, Call) and pattern.function == "casei" and pattern.arguments else pattern
        if not isinstance(inner, Text):
            self._add(pattern.at, "wrong_type", "A pattern is text ('…'), or CASEI('…').")
        elif (len(inner.value) - len(inner.value.rstrip("\\"))) % 2:
            self._add(inner.at, "bad_pattern", "A backslash takes the next character literally, and there is none.")

    def _type(self, node: Scalar) -> Type | None:
        """The type of `node`, None where that is wrong already."""
        match node:
            case Property(name=name):
                try:
                    return self.catalogue.name(name).type
                except Fault as fault:
                    self._add(node.at, fault.code, fault.detail)
                    return None
            case Call():
                function = self._function(node)
                if function is None:
                    return None
                if function.result is Type.BOOLEAN:
                    self._add(node.at, "wrong_type", f"`{node.function}` is a condition of its own and is not compared.")
                    return None
                return function.result
            case Number(value=int()):
                return Type.INTEGER
        return _LITERALS[type(node)]

    def _function(self, node: Call) -> Function | None:
        try:
            function = self.catalogue.function(node.function)
        except Fault as fault:
            self._add(node.at, fault.code, fault.detail)
            return None
        if len(node.arguments) != len(function.parameters):
            told = ", ".join(parameter.name for parameter in function.parameters)
            self._add(node.at, "wrong_count", f"This is written `{function.name}({told})`.")
            return None
        faults = len(self.faults)
        for argument, parameter in zip(node.arguments, function.parameters, strict=True):
            self._argument(argument, parameter)
        return function if len(self.faults) == faults else None

    def _argument(self, node: Scalar | Items, parameter: Parameter) -> None:
        wanted = " or ".join(WRITTEN[kind] for kind in parameter.types)
        if isinstance(node, Items):
            if not parameter.literal or not parameter.types[0].is_list:
                self._add(node.at, "wrong_type", f"Expected {wanted} as `{parameter.name}`, not a list.")
                return
            for item in node.items:
                if not isinstance(item, Text):
                    self._add(item.at, "wrong_type", "Expected text ('…').")
            return
        if parameter.literal and not isinstance(node, Text | Number):
            self._add(node.at, "wrong_type", f"Expected {wanted} as `{parameter.name}`, spelt out.")
            return
        kind = self._type(node)
        if kind is None:
            return
        if kind not in parameter.types and kind.family not in parameter.types:
            self._add(node.at, "wrong_type", f"Expected {wanted} as `{parameter.name}`, not {kind.value}.")
        elif parameter.literal and isinstance(node, Text | Number):
            try:
                parameter.check(node.value)
            except Fault as fault:
                self._add(node.at, fault.code, fault.detail)

    def _add(self, at: At, code: str, detail: str) -> None:
        self.faults.append(RuleFault(at, code, detail))
        if len(self.faults) >= limits.RULE_FAULTS_MAX:
            raise _EnoughError


_LITERALS = {Text: Type.STRING, Truth: Type.BOOLEAN, Day: Type.DATE, Moment: Type.TIMESTAMP, Number: Type.NUMBER}


def _agrees(node: Scalar, kind: Type, common: Type) -> bool:
    return kind.family is common.family or (isinstance(node, Text) and common in _SPELT_AS_TEXT)


def _is_spelt_out(node: AnyNode) -> bool:
    if isinstance(node, Call):
        return node.function == "casei" and all(isinstance(argument, Text) for argument in node.arguments)
    return not isinstance(node, Property)


def _told(node: Scalar) -> str:
    match node:
        case Property(name=name):
            return f"`{name}`"
        case Call(function=function):
            return f"`{function}(…)`"
    return "This"


def _why(node: Scalar, kind: Type, common: Type) -> str:
    if isinstance(node, Property | Call):
        return f", and {_told(node)} is of type {kind.value}"
    if Type.FOLDED in (kind, common):
        return ": CASEI stands on both sides or on none"
    return f", not {kind.value}"
