"""What a set of writes refers to, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from app.core.syncing import ExternalKey

# Any: values of an interaction's fields.

# The ids of a customer and of one of its interactions, for which an external id stands.
Holder = tuple[UUID, UUID]


@dataclass(slots=True)
class References:
    """What a set of writes refers to."""

    keys: set[ExternalKey] = field(default_factory=set)
    ids: set[UUID] = field(default_factory=set)
    customer_keys: set[ExternalKey] = field(default_factory=set)
    customer_ids: set[UUID] = field(default_factory=set)
    # Of interactions named by id, the part of their new external id that is said.
    renamed: list[tuple[UUID, Mapping[str, Any]]] = field(default_factory=list)


class Footprint(NamedTuple):
    """What a set of writes has changed, so that another, decided before that was there, knows whether it has to be decided again.

    Of numbers and plain tuples, as the customers' is. Of customers only those that it has made: to the others it has done nothing that a
    decision depends on.
    """

    ids: frozenset[int]
    keys: frozenset[tuple[str, str]]
    customer_keys: frozenset[tuple[str, str]]
