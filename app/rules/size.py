"""How large a rule may be; measured without recursion, so that no rule is too deep to be refused."""

from __future__ import annotations

from app.core import limits
from app.rules.errors import RuleError
from app.rules.tree import (
    And,
    AnyNode,
    Between,
    Call,
    Comparison,
    Condition,
    In,
    IsNull,
    Items,
    Like,
    Not,
    Number,
    Or,
    Text,
    Truth,
    children,
)

TOO_DEEP = f"The rule is nested too deeply: as JSON it may have {limits.RULE_NESTING_MAX} levels of objects and lists."
TOO_LARGE = f"The rule is too large: it may have {limits.RULE_NODES_MAX} conditions, names, functions and values outside of lists."
TOO_LONG_LIST = f"A list may have {limits.RULE_LIST_MAX} values."
TOO_LONG = f"A rule may have {limits.RULE_TEXT_MAX} characters as text."


_WITH_ARGUMENTS = (And, Or, Not, Comparison, Between, Like, In, IsNull, Call)


def check(rule: Condition) -> None:
    """Raises RuleError where the tree is too deep or too large, at the first node that is too much.

    Depth is counted as its JSON would be nested, so that what is taken as text can be sent back as JSON.
    """
    waiting: list[tuple[AnyNode, int]] = [(rule, 1)]
    nodes = 0
    while waiting:
        node, level = waiting.pop()
        # An object, and in it the list of its arguments.
        if level + isinstance(node, _WITH_ARGUMENTS) > limits.RULE_NESTING_MAX:
            raise RuleError.one(node.at, "rule_too_deep", TOO_DEEP)
        if isinstance(node, Items):
            if len(node.items) > limits.RULE_LIST_MAX:
                raise RuleError.one(node.at, "wrong_count", TOO_LONG_LIST)
            waiting.extend((item, level + 1) for item in node.items if not _is_bare(item))
            continue
        nodes += 1
        if nodes > limits.RULE_NODES_MAX:
            raise RuleError.one(node.at, "rule_too_large", TOO_LARGE)
        waiting.extend((child, level if _is_bare(child) else level + 2) for child in reversed(children(node)))


def _is_bare(node: AnyNode) -> bool:
    """Whether it is neither object nor list in the JSON."""
    return isinstance(node, Text | Number | Truth)
