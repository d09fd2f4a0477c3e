"""Whether the beginning of a body is UTF-8, and what it looks like where it is not."""

from __future__ import annotations

import codecs
from http import HTTPStatus

from app.web.problems import HttpProblem

_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def checked(head: bytes) -> bytes:
    """`head` without its byte order mark. Raises 415 where it is in another encoding; single broken lines are no other encoding."""
    looks_like = _other(head)
    if looks_like is not None:
        raise HttpProblem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", looks_like=looks_like)
    return head.removeprefix(codecs.BOM_UTF8)


def _other(head: bytes) -> str | None:
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    if (utf_16 := _utf_16(head)) is not None:
        return utf_16
    first, _, rest = head.partition(b"\n")
    # The last line may have been cut in the middle of a character.
    lines = [line for line in (first, *rest.split(b"\n")[:-1]) if not line.isascii()]
    broken = [line for line in lines if not _decodes(line, "utf-8")]
    if not rest and broken and _decodes_so_far(first):
        return None
    if not broken:
        return None
    # One line of many that are UTF-8 is a broken line. Where there is no line that is, the file as a whole is something else; unless
    # what is broken is no text of another encoding either.
    if len(broken) < len(lines) and first not in broken:
        return None
    if all(_decodes(line, "gb18030") for line in broken):
        return "GBK"
    return "WINDOWS-1252" if first in broken or len(broken) > 2 else None


def _utf_16(head: bytes) -> str | None:
    """UTF-16 without its mark: what is ASCII in it, and every line has some, is every second byte a NUL."""
    line = head[:2048]
    even, odd = line[::2].count(0), line[1::2].count(0)
    if even + odd < 2 or min(even, odd) or (even + odd) * 16 < len(line):
        return None
    return "UTF-16BE" if even else "UTF-16LE"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _decodes_so_far(line: bytes) -> bool:
    """Whether only the end is missing."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        return False
    return True
