"""What the tests of streams share."""

from __future__ import annotations

import pytest

from tests.web.streams.calls import Things


@pytest.fixture
def things() -> Things:
    return Things()
