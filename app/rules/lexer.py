"""The words of a rule's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lark import Token
from lark.common import LexerConf
from lark.lexer import Lexer as LarkLexer

from app.core import limits
from app.rules.errors import RuleError

# Each with its terminal; lark leaves out of its lists those that begin with an underscore.
KEYWORDS = {word.lstrip("_"): word for word in ("_AND", "_OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "_NULL", "TRUE", "FALSE")}

_WORD = re.compile(
    r"""
      (?P<SPACE>\s+)
    | (?P<NUMBER>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<NAME>[^\W\d][\w.:]*)
    | (?P<TEXT>'(?:[^']|'')*')
    | (?P<QUOTED>"(?:[^"]|"")+")
    | (?P<COMPARE><>|<=|>=|[=<>](?![=>]))
    | (?P<OPEN>\()
    | (?P<_CLOSE>\))
    | (?P<_COMMA>,)
    """,
    re.VERBOSE,
)

# What people write who know other languages.
_HINTS = (
    ("==", "Equality is written `=`."),
    ("!=", "Inequality is written `<>`."),
    ("=<", "This is written `<=`."),
    ("=>", "This is written `>=`."),
    ("&&", "Write `AND`."),
    ("||", "Write `OR`."),
    ("!", "Write `NOT`."),
    ("'", "The text that begins here has no end; a quote inside of a text is written twice."),
    ('"', "The name that begins here has no end."),
    ("-", "There is no arithmetic; a name with a hyphen stands in double quotes."),
    ("+", "There is no arithmetic."),
    ("*", "There is no arithmetic."),
    ("/", "There is no arithmetic."),
    ("[", "A list stands in parentheses."),
    ("‘", "Text stands in straight quotes: '…'."),
    ("’", "Text stands in straight quotes: '…'."),
    ("“", "Text stands in straight single quotes: '…'."),
    ("”", "Text stands in straight single quotes: '…'."),
)


class Lexer(LarkLexer):
    """Of our own: keywords in any case, no name that begins like one, and errors that say what to write instead."""

    def __init__(self, _: LexerConf) -> None:
        """Everything is in the pattern; lark's own configuration of terminals says nothing more."""

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]  # lark wraps the text for lexers that take it so
        return words(data)


def words(data: str) -> Iterator[Token]:
    """Raises RuleError where something is no word, or they are too many."""
    place = 0
    counted = 0
    while place < len(data):
        found = _WORD.match(data, place)
        if found is None:
            raise _unknown(data, place)
        kind, word = str(found.lastgroup), found.group()
        if kind == "NAME":
            kind = KEYWORDS.get(word.upper(), kind)
        if kind != "SPACE":
            counted += 1
            if counted > limits.RULE_WORDS_MAX:
                raise RuleError.one(place, "rule_too_large", f"A rule may have {limits.RULE_WORDS_MAX} words, signs counted.")
            yield Token(kind, word, start_pos=place)
        place = found.end()


def count(data: str) -> int:
    """How many words `data` has. Raises RuleError where they are too many."""
    return sum(1 for _ in words(data))


def _unknown(data: str, place: int) -> RuleError:
    rest = data[place : place + 2]
    if rest[:1].isdigit():
        return RuleError.one(place, "syntax", "This is no number.")
    hint = next((hint for start, hint in _HINTS if rest.startswith(start)), f"`{rest[:1]}` has no meaning here.")
    return RuleError.one(place, "syntax", hint)
