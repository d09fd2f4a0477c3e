"""Which segments a customer is in: all of them decided in one statement, live."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from app.core.errors import Gone, NotFound
from app.customers import queries as customer_queries
from app.rules import narrowing
from app.rules.catalogue import Catalogue
from app.segments import catalogue as names
from app.segments import evaluation, queries
from app.segments.definition import Definition


def list_segments(db: Connection, catalogue: Catalogue, *, customer_id: UUID) -> list[Definition]:
    """By name. Raises NotFound, Gone where the customer is deleted, and Conflict where a rule is broken: of that one nobody knows."""
    definitions = queries.list_definitions(db)
    meanings = names.meanings(db, catalogue, definitions)
    now = narrowing.present(db, matters=meanings.uses_time)
    found = evaluation.memberships(db, [customer_id], definitions, meanings, now)
    if not found or not found[0].is_living:
        check_living(db, customer_id)
        # Restored since.
        return list_segments(db, catalogue, customer_id=customer_id)
    return [one for one in definitions if one.id in found[0].segments]


def check_living(db: Connection, customer_id: UUID) -> None:
    """Raises NotFound, and Gone where the customer is deleted."""
    customer = customer_queries.get_customer_by_id(db, customer_id)
    if customer is None:
        raise NotFound
    if customer.deleted_at is not None:
        raise Gone(existing_id=customer.id, deleted_at=customer.deleted_at)
