"""What makes customers findable by parts of words: the folded text, its grams, and a query's side of both."""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from app.core.faults import Fault
from app.core.limits import QUERY_TEXT_MAX
from app.core.text import clean_line

# One character of these scripts is a word or a syllable, and people search for it alone:
# Han: radicals 2E80-2FDF, 3005-3007, 3021-3029, 3038-303B, extension A 3400-4DBF, unified 4E00-9FFF, compatibility F900-FAFF, and
# planes 2 and 3 (extensions B to J, compatibility supplement); Hiragana and Katakana 3040-30FF, 31F0-31FF, half-width FF66-FF9F,
# kana supplements 1AFF0-1B16F; Bopomofo 3100-312F, 31A0-31BF; Hangul 1100-11FF, 3130-318F, A960-A97F, AC00-D7FF.
# https://www.unicode.org/Public/UCD/latest/ucd/Blocks.txt
_CJK = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3040-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)

_LOOKS_LIKE_PHONE = re.compile(r"[0-9 +\-()./]*")
_NOT_DIGITS = re.compile("[^0-9]+")
_PHONE_DIGITS_MIN = 3
_SUBSCRIBER_DIGITS_MIN = 7

_LIKE_SPECIAL = re.compile(r"([\\%_])")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query's side of `search_grams @> grams AND search_text LIKE ALL (patterns)`; the patterns are escaped by a backslash."""

    grams: list[str]
    patterns: list[str]


def search_text(parts: Iterable[str | None]) -> str:
    """Return the parts folded (NFKC, case folded, NFKC) as words joined by one space, each distinct word once, in order."""
    return " ".join(dict.fromkeys(_fold(" ".join(filter(None, parts))).split()))


def search_grams(text: str) -> list[str]:
    """Return, each once, every two neighbours within a word of `search_text` and every single CJK character."""
    grams = [] if text.isascii() else list(dict.fromkeys(_CJK.findall(text)))
    # Of the whole text at once, since words are many and short. In no order that means anything, but the same for the same text.
    return grams + [pair for pair in dict.fromkeys(_bigrams(text)) if " " not in pair]


def parse_query(q: str) -> SearchQuery:
    """Return what a row must hold to be found by `q`: every word of it, anywhere within a word.

    Any part (two characters or more, or one CJK character) of a word of `search_text` finds that text. It is a part of the folded
    text: where folding joins, reorders or widens characters, a part of the original need not be one of the folded (half-width
    "ｶ" of "ｶﾞ", the bare "e" of a decomposed "é", the jamo of a Hangul syllable). Words are never searched across their border:
    "bc" does not find "ab cd".

    Digits, spaces and + - ( ) . / with at least three digits are read as a phone number: one word of its digits, without leading
    zeros where seven or more follow (E.164 holds no trunk prefix). So `2024-05` finds `202405` and not `2024-05`.

    Raises `Fault` query_too_short where nothing is left that an index could find (one character that is not CJK), and the codes
    of `clean_line`.
    """
    words = _query_words(clean_line(q, max_length=QUERY_TEXT_MAX))
    grams: set[str] = set()
    for word in words:
        grams.update(_bigrams(word))
        if len(word) == 1:
            grams.update(_CJK.findall(word))
    if not grams:
        raise Fault("query_too_short", "Search for at least two characters, or one Chinese, Japanese or Korean one.")
    return SearchQuery(grams=sorted(grams), patterns=["%" + _LIKE_SPECIAL.sub(r"\\\1", word) + "%" for word in words])


def _query_words(q: str) -> list[str]:
    folded = _fold(q)
    if _LOOKS_LIKE_PHONE.fullmatch(folded):
        digits = _NOT_DIGITS.sub("", folded)
        if len(digits) >= _PHONE_DIGITS_MIN:
            subscriber = digits.lstrip("0")
            return [subscriber if len(subscriber) >= _SUBSCRIBER_DIGITS_MIN else digits]
    return list(dict.fromkeys(folded.split()))


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _bigrams(word: str) -> Iterable[str]:
    # Half the time of str.__add__, which is a wrapper.
    return map(operator.add, word, word[1:])
