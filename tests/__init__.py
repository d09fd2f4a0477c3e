"""Held against a real PostgreSQL and, where that is the point, a real gunicorn; what they share asserts as the tests do."""

import pkgutil

import pytest

# Not of test modules alone: what a helper asserts has to tell what it has seen too.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
