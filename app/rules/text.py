"""From a rule's text (CQL2 text, OGC 21-065r2, a subset) to its tree."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

from app.core import limits
from app.rules import literals, size
from app.rules.errors import RuleError, shown
from app.rules.lexer import Lexer
from app.rules.tree import (
    And,
    Between,
    Call,
    Comparison,
    Condition,
    In,
    IsNull,
    Items,
    Like,
    Not,
    Or,
    Property,
    Scalar,
    Text,
    Truth,
    joined,
)

_GRAMMAR = """
?start: either
either: both (_OR both)*
both: single (_AND single)*
?single: NOT single                                    -> negation
    | predicate
?predicate: OPEN either _CLOSE                         -> group
    | scalar COMPARE scalar                            -> comparison
    | scalar [NOT] BETWEEN scalar _AND scalar          -> between
    | scalar [NOT] LIKE scalar                         -> like
    | scalar [NOT] IN list                             -> among
    | scalar IS [NOT] _NULL                            -> is_null
    | call                                             -> asked
    | truth
?scalar: name | text | number | truth | call
name: NAME
    | QUOTED                                           -> quoted
text: TEXT
number: NUMBER
truth: TRUE | FALSE
call: NAME OPEN [_arguments] _CLOSE
list: OPEN [_values] _CLOSE
_arguments: argument (_COMMA argument)*
?argument: scalar | list
_values: scalar (_COMMA scalar)*
%declare _OR _AND NOT OPEN _CLOSE COMPARE BETWEEN LIKE IN IS _NULL NAME QUOTED TEXT NUMBER TRUE FALSE _COMMA
"""

_OPERATORS = "an operator (=, <>, <, <=, >, >=, LIKE, IN, BETWEEN, IS NULL)"

# What may stand somewhere, in words: the first of these of which all terminals are accepted, and what follows none of it explains.
_EXPECTED: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (frozenset(("NAME", "NOT")), ("a condition such as country = 'CN'",)),
    (frozenset(("COMPARE",)), (_OPERATORS,)),
    (frozenset(("LIKE", "BETWEEN", "IN")), ("LIKE", "BETWEEN", "IN")),
    (frozenset(("_OR", "_AND", "_CLOSE")), ("AND", "OR", "`)`")),
    (frozenset(("_OR", "_AND")), ("AND", "OR", "the end")),
    (frozenset(("_COMMA", "_CLOSE")), ("a comma", "`)`")),
    (frozenset(("NAME", "_CLOSE")), ("a name", "a value", "`)`")),
    (frozenset(("NAME",)), ("a name", "a value")),
    (frozenset(("OPEN",)), ("a list in parentheses",)),
    (frozenset(("_AND",)), ("AND",)),
    (frozenset(("_NULL",)), ("NULL",)),
    (frozenset(("_CLOSE",)), ("`)`",)),
)


# Rules come again: those of segments with each of their pages, a filter with each page of its walk. Of 8 KB and 200 nodes at most.
@lru_cache(maxsize=200)
def parse(text: str) -> Condition:
    """The tree of `text`; its names are not looked up yet. Raises RuleError with the place of the first thing that is wrong."""
    if len(text) > limits.RULE_TEXT_MAX:
        raise RuleError.one(limits.RULE_TEXT_MAX, "too_long", size.TOO_LONG)
    try:
        # Any: lark does not know what the callbacks of its parser return.
        rule: Any = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise _unexpected(error, text) from error
    size.check(rule)
    return cast(Condition, rule)


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):  # Any: a node of any kind
    """Makes each node where the parser reduces its rule, so that nothing recurses."""

    def either(self, *conditions: Condition) -> Condition:
        return joined(Or, conditions[0].at, conditions)

    def both(self, *conditions: Condition) -> Condition:
        return joined(And, conditions[0].at, conditions)

    def negation(self, sign: Token, condition: Condition) -> Not:
        return Not(_at(sign), condition)

    def group(self, _open: Token, condition: Condition) -> Condition:
        return condition

    def comparison(self, left: Scalar, operator: Token, right: Scalar) -> Comparison:
        return Comparison(_at(operator), str(operator), left, right)

    def between(self, value: Scalar, negated: Token | None, operator: Token, low: Scalar, high: Scalar) -> Condition:
        return _negated(negated, Between(_at(operator), value, low, high))

    def like(self, value: Scalar, negated: Token | None, operator: Token, pattern: Scalar) -> Condition:
        return _negated(negated, Like(_at(operator), value, pattern))

    def among(self, value: Scalar, negated: Token | None, operator: Token, choices: Items) -> Condition:
        return _negated(negated, In(_at(operator), value, choices))

    def is_null(self, value: Scalar, operator: Token, negated: Token | None) -> Condition:
        return _negated(negated, IsNull(_at(operator), value))

    def asked(self, call: Scalar) -> Condition:
        if isinstance(call, Call):
            return call
        raise RuleError.one(call.at, "syntax", "A value is no condition: compare it with something.")

    def name(self, word: Token) -> Property:
        return Property(_at(word), str(word))

    def quoted(self, word: Token) -> Property:
        return Property(_at(word), word[1:-1].replace('""', '"'))

    def text(self, word: Token) -> Text:
        return literals.text_literal(_at(word), _unquoted(word))

    def number(self, word: Token) -> Scalar:
        return literals.spelt_number(_at(word), str(word))

    def truth(self, word: Token) -> Truth:
        return Truth(_at(word), word.type == "TRUE")

    def list(self, sign: Token, *items: Scalar | None) -> Items:
        return Items(_at(sign), tuple(item for item in items if item is not None))

    def call(self, word: Token, _open: Token, *found: Scalar | Items | None) -> Scalar:
        function, arguments = word.lower(), tuple(argument for argument in found if argument is not None)
        if function not in ("date", "timestamp"):
            return Call(_at(word), function, arguments)
        match arguments:
            case (Text(value=value),):
                return (literals.day if function == "date" else literals.moment)(_at(word), value)
        example = "DATE('2024-02-29')" if function == "date" else "TIMESTAMP('2024-02-29T08:00:00Z')"
        raise RuleError.one(_at(word), "wrong_type", f"This is written {example}.")


_PARSER = Lark(_GRAMMAR, parser="lalr", lexer=Lexer, transformer=_Builder(), maybe_placeholders=True, propagate_positions=False)


def _at(token: Token) -> int:
    return token.start_pos or 0


def _negated(sign: Token | None, condition: Condition) -> Condition:
    return condition if sign is None else Not(_at(sign), condition)


def _unquoted(word: str) -> str:
    return word[1:-1].replace("''", "'")


def _unexpected(error: UnexpectedInput, text: str) -> RuleError:
    token = getattr(error, "token", None)
    accepted = error.accepts or error.expected if isinstance(error, UnexpectedToken) else set()
    wanted = " or ".join(next((words for terminals, words in _EXPECTED if terminals <= accepted), ("something else",)))
    if token is None or token.type == "$END":
        return RuleError.one(len(text), "syntax", f"The rule ends too early; expected {wanted}.")
    if token.type == "_NULL" and "TEXT" in accepted:
        return RuleError.one(_at(token), "syntax", "NULL is not compared; write IS NULL or IS NOT NULL.")
    return RuleError.one(_at(token), "syntax", f"Expected {wanted}, not `{shown(str(token))}`.")
