"""Places in the feed, as texts that callers carry and cannot read."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from app.core.errors import BadPosition
from app.core.signing import BadSignature, Signer

# Epoch, transaction id, event id: three unsigned 64-bit numbers, big-endian.
_EVENT = struct.Struct(">QQQ")


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the event `(xid, id)`; `(0, 0)` is the beginning."""

    epoch: int
    xid: int
    id: int


class Positions:
    """Signed by the installation's key; the same place is always the same text."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, "position")

    def text(self, position: tuple[int, int, int]) -> str:
        """The text of `(epoch, xid, id)`."""
        return self._signer.sign(_EVENT.pack(*position))

    def read(self, text: str) -> Place:
        """Raises BadPosition where the text is none of ours."""
        try:
            return Place(*_EVENT.unpack(self._signer.read(text)))
        except (BadSignature, struct.error) as error:
            raise BadPosition from error
