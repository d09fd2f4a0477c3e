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


def test_rules_of_more_values_than_a_statement_takes_are_decided_by_several(api: Api) -> None:
    assert api.put("/v1/attributes/level", {"type": "string"}).status_code == 201
    parts = [segment(api, f"part {part}", " OR ".join(f"attributes.level = '{part}-{one}'" for one in range(60))) for part in range(5)]
    segment(api, "heavy", " OR ".join(f"in_segment('{part['name']}')" for part in parts))
    names = api.app.extensions["kehu"].catalogues["customers"]
    with database(api.app) as db:
        meanings = catalogue.meanings(db, names, queries.list_definitions(db))

    # As a hundred such segments would be; each value of an attribute is three parameters, of which there may be 65,535.
    cut = list(evaluation.cut([meanings.by_name["heavy"]] * 100, meanings))

    assert sum(len(some) for some in cut) == 100
    assert max(len(some) for some in cut) * 5 * 60 * 3 < 65_535
