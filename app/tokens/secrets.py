"""The text of a token: how it is made, read and kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from uuid import UUID

_ALPHABET = string.digits + string.ascii_letters
# 62 ** 32 is about 190 bits.
_SECRET_LENGTH = 32
# 62 ** 6 holds every CRC-32.
_CHECKSUM_LENGTH = 6
_TOKEN = re.compile(
    rf"(?P<head>kehu_(?P<id>[0-9a-f]{{32}})_(?P<secret>[0-9A-Za-z]{{{_SECRET_LENGTH}}}))(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})\Z"
)


@dataclass(frozen=True, slots=True)
class TokenText:
    """A text that has the form of a token and the right checksum; whether it opens anything is the database's to say."""

    token_id: UUID
    secret: str


def make_secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def write(token_id: UUID, secret: str) -> str:
    """`kehu_<id>_<secret><checksum>`; the checksum lets a mistyped or cut token be refused without a look-up, and scanners find leaks."""
    head = f"kehu_{token_id.hex}_{secret}"
    return head + _checksum(head)


def read(text: str) -> TokenText | None:
    """None where `text` cannot be a token."""
    found = _TOKEN.match(text)
    if found is None or not hmac.compare_digest(_checksum(found["head"]), found["checksum"]):
        return None
    return TokenText(token_id=UUID(hex=found["id"]), secret=found["secret"])


def digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
