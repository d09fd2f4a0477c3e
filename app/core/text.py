"""Text as it is stored: NFC, bounded in code points, without characters that hide or reorder others."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from app.core.faults import Fault

# A composed character has at most four code points in its full canonical decomposition (U+1F82), so a longer raw text cannot fit.
# https://www.unicode.org/reports/tr15/
_SHRINK_MAX = 4

# UAX #15, Stream-Safe Text Format: no language needs more marks on one character. Without the bound normalising is quadratic:
# 20,000 marks in a row took 400 ms.
_MARKS_IN_A_ROW_MAX = 30

_BLOCK_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_SURROGATE = "\ud800-\udfff"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_REFUSED_IN_BLOCK = re.compile(f"[{_BLOCK_CONTROL}{_SURROGATE}{_BIDI}]")
_REFUSED_IN_LINE = re.compile(f"[{_BLOCK_CONTROL}\t\n\r\u2028\u2029{_SURROGATE}{_BIDI}]")
_IS_SURROGATE = re.compile(f"[{_SURROGATE}]")
_IS_BIDI = re.compile(f"[{_BIDI}]")

# White space, every format character (Cf), and what Unicode calls Default_Ignorable_Code_Point: fillers, joiners, variation
# selectors (https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt); then the blank Braille pattern and the null
# note head, which are drawn as nothing. Characters with a mark or a number to show (U+0600 and the like) count as visible.
_VISIBLE = re.compile(
    "[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800"
    "\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001345f\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_ASCII_BLOCK = re.compile(r"[\t\n\r\x20-\x7e]*")

# Blocks without a combining mark and without a character that NFC changes: Latin, punctuation, kana, Han, Hangul syllables.
_ALREADY_NFC = re.compile(
    "[\x09\x0a\x0d\x20-\x7e\xa0-\u02ff\u2010-\u2027\u3001-\u3029\u3041-\u3096\u30a1-\u30fe\u3400-\u9fff\uac00-\ud7a3"
    "\uff01-\uff60\U00020000-\U0002a6df]*"
)

# Of those, what can stand in a line and is seen: everything but the line ends, the tab and the soft hyphen, and spaces only inside.
_PLAIN_LINE = re.compile(
    "[\x20-\x7e\xa1-\xac\xae-\u02ff\u2010-\u2027\u3001-\u3029\u3041-\u3096\u30a1-\u30fe\u3400-\u9fff\uac00-\ud7a3"
    "\uff01-\uff60\U00020000-\U0002a6df]*"
)


def clean_line(value: str, *, max_length: int) -> str:
    """Return one line of text in NFC without surrounding white space; "" stays "".

    Raises `Fault` with the code control_character (line ends, tabs, U+2028 and U+2029 among them, wherever they stand),
    lone_surrogate, bidi_control, invisible (nothing in it that can be seen, white space only among it), too_many_marks (over 30
    combining marks in a row) or too_long (over `max_length` code points after NFC).
    """
    if value.isascii() and value.isprintable():
        text = value.strip(" ")
        if len(text) > max_length:
            raise _too_long(max_length)
        if value and not text:
            raise _invisible()
        return text
    text = value.strip(" \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")
    if value and not text:
        raise _invisible()
    if len(text) <= max_length and _PLAIN_LINE.fullmatch(text):
        return text
    return _clean(text, max_length, _REFUSED_IN_LINE)


def clean_block(value: str, *, max_length: int) -> str:
    """Return text of several lines in NFC; tab, CR and LF are allowed, and white space is kept as it is.

    Raises `Fault` with the codes of `clean_line`.
    """
    if value.isascii() and (value.isprintable() or _ASCII_BLOCK.fullmatch(value)):
        if len(value) > max_length:
            raise _too_long(max_length)
        if value and not value.strip():
            raise _invisible()
        return value
    return _clean(value, max_length, _REFUSED_IN_BLOCK)


def _clean(value: str, max_length: int, refused: re.Pattern[str]) -> str:
    if len(value) > max_length * _SHRINK_MAX:
        raise _too_long(max_length)
    found = refused.search(value)
    if found:
        raise _refused_character(found.group())
    if not _VISIBLE.search(value):
        raise _invisible()
    if not _ALREADY_NFC.fullmatch(value):
        if len(value) > _MARKS_IN_A_ROW_MAX and _longest_run_of_marks(value) > _MARKS_IN_A_ROW_MAX:
            raise Fault("too_many_marks", f"More than {_MARKS_IN_A_ROW_MAX} combining marks follow each other.")
        value = unicodedata.normalize("NFC", value)
    if len(value) > max_length:
        raise _too_long(max_length)
    return value


def _longest_run_of_marks(value: str) -> int:
    # By category, not by combining class: U+0F73 has class 0 and decomposes into two marks that are sorted all the same.
    marks = {char for char in set(value) if unicodedata.category(char)[0] == "M"}
    if not marks:
        return 0
    return max(sum(run) for _, run in groupby(map(marks.__contains__, value)))


def _refused_character(char: str) -> Fault:
    name = f"U+{ord(char):04X}"
    if _IS_SURROGATE.match(char):
        return Fault("lone_surrogate", f"The text holds {name}, half of a surrogate pair.")
    if _IS_BIDI.match(char):
        return Fault("bidi_control", f"The text holds {name}, which reorders what follows it on the screen.")
    return Fault("control_character", f"The text holds the control character {name}.")


def _invisible() -> Fault:
    return Fault("invisible", "The text has no visible character.")


def _too_long(max_length: int) -> Fault:
    return Fault("too_long", f"The text is longer than {max_length} characters.")
