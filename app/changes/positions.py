"""Places in the feed, as texts that callers carry and cannot read."""

from __future__ import annotations

import struct

from app.core.signing import Signer

# Epoch, transaction id, event id: three unsigned 64-bit numbers, big-endian.
_EVENT = struct.Struct(">QQQ")


class Positions:
    """Signed by the installation's key; the same place is always the same text."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, "position")

    def text(self, position: tuple[int, int, int]) -> str:
        """The text of `(epoch, xid, id)`."""
        return self._signer.sign(_EVENT.pack(*position))
