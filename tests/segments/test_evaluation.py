"""Protects the one statement that decides memberships: a deleted customer is in none, and what is kept of it is told beside."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from app.segments import catalogue, evaluation, queries
from tests.builders import customer, database
from tests.client import Api
from tests.segments.calls import put, segment


def test_a_deleted_customer_is_in_no_segment_and_still_kept(api: Api) -> None:
    finns, vips, aino = segment(api), segment(api, "vips", None), customer(api, country="FI")
    put(api, vips, aino)
    names = api.app.extensions["kehu"].catalogues["customers"]

    def decided() -> tuple[bool, set[str], set[str]]:
        with database(api.app) as db:
            definitions = queries.list_definitions(db)
            meanings = catalogue.meanings(db, names, definitions)
            (found,) = evaluation.memberships(db, [UUID(aino["id"])], definitions, meanings, datetime.now(UTC))
        return found.is_living, {str(one) for one in found.segments}, {str(one) for one in found.kept}

    living = decided()
    api.delete(f"/v1/customers/{aino['id']}")

    assert living == (True, {finns["id"], vips["id"]}, {vips["id"]})
    assert decided() == (False, set(), {vips["id"]})
