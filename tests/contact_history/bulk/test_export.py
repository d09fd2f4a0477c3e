"""Protects exports of interactions: what the list finds, whole and as of one moment."""

from __future__ import annotations

import csv
import io

import orjson
import pytest

from tests.builders import customer, entry, whole_entry
from tests.client import Api
from tests.contact_history.bulk.calls import load
from tests.customers.bulk.calls import follow


class TestExport:
    def test_each_is_shown_as_alone_by_id(self, api: Api) -> None:
        owner = customer(api)["id"]
        made = [entry(api, owner, subject=str(number), occurred_at=f"2024-01-0{9 - number}T00:00:00Z") for number in range(3)]
        made.append(entry(api, owner, **whole_entry()))

        response = api.get("/v1/contact-history/export")

        assert response.headers["Kehu-Snapshot"] == "yes"
        assert [orjson.loads(line) for line in response.get_data().splitlines()] == made

    @pytest.mark.parametrize(
        "query",
        [
            {"kind": "order"},
            {"agent": "anna"},
            {"q": "parcel"},
            {"occurred_after": "2024-06-01T00:00:00Z"},
            {"deleted": "only"},
            {"direction": "inbound", "occurred_before": "2024-06-01T00:00:00Z"},
            {},
        ],
    )
    def test_it_has_the_filters_of_the_list(self, api: Api, query: dict[str, str]) -> None:
        owner, hidden = customer(api)["id"], customer(api)["id"]
        entry(api, owner, kind="order", agent="anna", occurred_at="2024-01-01T00:00:00Z", direction="inbound")
        entry(api, owner, kind="call", subject="Where is my parcel?", occurred_at="2024-07-01T00:00:00Z")
        api.delete(f"/v1/contact-history/{entry(api, owner)['id']}")
        entry(api, hidden, kind="order", agent="anna")
        api.delete(f"/v1/customers/{hidden}")

        for narrowed in (query, query | {"customer_id": owner}):
            listed = api.get("/v1/contact-history", query_string=narrowed).json["data"]
            found = [orjson.loads(line) for line in api.get("/v1/contact-history/export", query_string=narrowed).get_data().splitlines()]

            assert listed
            assert found == sorted(listed, key=lambda one: str(one["id"]))

    def test_csv_comes_back_as_lines(self, api: Api) -> None:
        made = entry(api, customer(api)["id"], **whole_entry())

        response = api.get("/v1/contact-history/export?fields=external_id,source,kind,amount,subject", headers={"Accept": "text/csv"})

        (record,) = csv.DictReader(io.StringIO(response.get_data().decode(), newline=""))
        assert record == {name: made[name] for name in ("id", "external_id", "source", "kind", "amount", "subject")}
        line = {name: record[name] for name in ("external_id", "source", "kind", "amount")}
        assert load(api, line).outcomes == ["unchanged"]

    def test_the_feed_goes_on_where_it_ends(self, api: Api) -> None:
        owner = customer(api)["id"]
        entry(api, owner)
        position = api.get("/v1/contact-history/export").headers["Kehu-Position"]
        later = entry(api, owner)

        told = follow(api, position, types="contact_history.*")

        assert [event["subject"] for event in told] == [f"contact-history/{later['id']}"]
