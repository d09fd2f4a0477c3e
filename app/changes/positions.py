"""Places in the feed, as texts that callers carry and cannot read."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from app.core.errors import BadPosition
from app.core.signing import BadSignature, Signer

# Epoch, transaction id, event id: three unsigned 64-bit numbers, big-endian.
_EVENT = struct.Struct(">QQQ")
_LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the event `(xid, id)`; `(0, 0)` is the beginning.

    `snapshot`, a pg_snapshot as PostgreSQL writes it, leaves out those events that whoever holds the place has seen already: of the
    transactions that an export of that moment shows.
    """

    epoch: int
    xid: int
    id: int
    snapshot: str | None = None


class Positions:
    """Signed by the installation's key; the same place is always the same text."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, "position")

    def text(self, position: tuple[int, int, int]) -> str:
        """The text of `(epoch, xid, id)`."""
        return self._signer.sign(_EVENT.pack(*position))

    def text_of(self, place: Place) -> str:
        if place.snapshot is None:
            return self.text((place.epoch, place.xid, place.id))
        return self._signer.sign(_EVENT.pack(place.epoch, place.xid, place.id) + place.snapshot.encode())

    def text_of_snapshot(self, epoch: int, snapshot: str) -> str:
        """The place from which the feed has every event that `snapshot` does not see."""
        oldest_running = int(snapshot.partition(":")[0])
        # Behind every event of the transaction before: what is older is seen.
        return self.text_of(Place(epoch, oldest_running - 1, _LAST_ID, snapshot))

    def read(self, text: str) -> Place:
        """Raises BadPosition where the text is none of ours."""
        try:
            payload = self._signer.read(text)
            epoch, xid, number = _EVENT.unpack(payload[: _EVENT.size])
            return Place(epoch, xid, number, payload[_EVENT.size :].decode() or None)
        except (BadSignature, struct.error) as error:
            raise BadPosition from error
