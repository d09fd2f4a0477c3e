"""Protects positions and cursors: their signature is the library's HMAC, so those that callers hold go on being read."""

from __future__ import annotations

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.signing import BadSignature, Signer


@given(secret=st.text(max_size=100), purpose=st.text(min_size=1, max_size=20), payload=st.binary(max_size=200))
def test_it_is_an_hmac_cut_to_80_bits(secret: str, purpose: str, payload: bytes) -> None:
    signed = Signer(secret, purpose).sign(payload)

    raw = base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
    key = hmac.digest(secret.encode(), purpose.encode(), "sha256")
    assert raw == hmac.digest(key, payload, "sha256")[:10] + payload
    assert Signer(secret, purpose).read(signed) == payload


def test_another_purpose_is_another_key() -> None:
    with pytest.raises(BadSignature):
        Signer("secret", "cursor").read(Signer("secret", "position").sign(b"place"))
