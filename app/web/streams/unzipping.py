"""gzip on the way in, of one member or many, in flat memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http import HTTPStatus

from app.core import limits
from app.web.problems import HttpProblem
from app.web.streams.lines import Broken

_PIECE_BYTES = 65_536
# So much may come out before its ratio to what went in says anything.
_SLACK_BYTES = 4 * 1024 * 1024
_GZIP = zlib.MAX_WBITS | 16


def unzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What `pieces` hold. Raises Broken where they are no gzip, cut off or damaged, or grow too much."""
    member = zlib.decompressobj(_GZIP)
    taken = made = 0
    begun = False
    for piece in pieces:
        taken += len(piece)
        while piece:
            if member.eof:
                # Some tools fill the last block with zeros.
                piece = piece.lstrip(b"\0")
                if not piece:
                    break
                member = zlib.decompressobj(_GZIP)
            begun = True
            try:
                out = member.decompress(piece, _PIECE_BYTES)
            except zlib.error as error:
                raise _damaged() from error
            piece = member.unused_data if member.eof else member.unconsumed_tail
            made += len(out)
            if made > _SLACK_BYTES and made > limits.GZIP_RATIO_MAX * (taken - len(piece)):
                raise Broken(HttpProblem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "gzip_ratio", max_ratio=limits.GZIP_RATIO_MAX))
            if out:
                yield out
    # What the last call kept back for want of room.
    while not member.eof and (out := _rest(member)):
        yield out
    if begun and not member.eof:
        raise _damaged()


def _rest(member: zlib._Decompress) -> bytes:
    try:
        return member.decompress(b"", _PIECE_BYTES)
    except zlib.error as error:
        raise _damaged() from error


def _damaged() -> Broken:
    return Broken(HttpProblem(HTTPStatus.BAD_REQUEST, "gzip_damaged"))
