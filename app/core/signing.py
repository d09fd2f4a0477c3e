"""Opaque texts that callers carry and cannot change: cursors and positions."""

from __future__ import annotations

import base64
import binascii
import hmac

# 80 bits: beyond guessing one request at a time, and short in an address.
_MAC_BYTES = 10


class BadSignature(ValueError):
    """The text was not made by us, or not for this purpose."""


class Signer:
    """Signs bytes with HMAC-SHA-256 (RFC 2104), cut to 80 bits, a key for each purpose; the same bytes give the same text."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._key = hmac.digest(secret.encode(), purpose.encode(), "sha256")

    def sign(self, payload: bytes) -> str:
        mac = hmac.digest(self._key, payload, "sha256")[:_MAC_BYTES]
        return base64.urlsafe_b64encode(mac + payload).rstrip(b"=").decode()

    def read(self, text: str) -> bytes:
        """The payload of a text made by `sign`. Raises BadSignature."""
        try:
            raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise BadSignature from error
        payload = raw[_MAC_BYTES:]
        if not hmac.compare_digest(raw[:_MAC_BYTES], hmac.digest(self._key, payload, "sha256")[:_MAC_BYTES]):
            raise BadSignature
        # base64 ignores the last bits: only the one canonical spelling is ours.
        if self.sign(payload) != text:
            raise BadSignature
        return payload
