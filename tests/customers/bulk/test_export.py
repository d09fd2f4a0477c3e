"""Protects exports: what a filter finds, whole and as of one moment, in files that spreadsheets open without harm."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.builders import customer, execute, whole_customer
from tests.client import Api, pointers, problem
from tests.customers.bulk.calls import export, follow, send
from tests.faults.calls import run, session

CSV = {"Accept": "text/csv"}
# One more of a customer's event, by whoever runs it.
COPY_EVENT = (
    "INSERT INTO events (event_id, type, subject, actor, request_id, time, data)"
    " SELECT gen_random_uuid(), type, subject, actor, request_id, time, data FROM events WHERE subject = 'customers/{}' LIMIT 1"
)


def records(api: Api, **query: str) -> list[dict[str, str]]:
    response = api.get("/v1/customers/export", query_string=query, headers=CSV)
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.get_data().decode(), newline="")))


class TestExport:
    def test_each_is_shown_as_alone_by_id(self, api: Api) -> None:
        made = [customer(api, given_name=f"{number}") for number in range(3)]
        made.append(customer(api, **whole_customer()))

        response = api.get("/v1/customers/export")

        assert response.mimetype == "application/x-ndjson"
        assert response.headers["Kehu-Snapshot"] == "yes"
        assert [json.loads(line) for line in response.get_data().splitlines()] == made

    def test_nothing_is_an_empty_file(self, api: Api) -> None:
        response = api.get("/v1/customers/export")

        assert response.get_data() == b""
        assert response.headers["Kehu-Position"]
        assert records(api) == []

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"email": "MEI@shop.example"}, ["Mei"]),
            ({"phone": "+8613812345678"}, ["Wei"]),
            ({"external_id": "shop:1"}, ["Li"]),
            ({"external_id": "shop:9"}, []),
            ({"tag": "vip"}, ["Mei", "Li"]),
            ({"tag": "vip", "country": "CN"}, ["Li"]),
            ({"status": "blocked"}, ["Wei"]),
            ({"owner": "anna"}, ["Mei"]),
            ({"q": "shop.exa"}, ["Mei"]),
            ({"created_after": "2001-01-01T00:00:00Z"}, ["Mei", "Wei", "Li"]),
            ({"updated_before": "2001-01-01T00:00:00Z"}, []),
            ({"deleted": "only"}, ["Gone"]),
            ({"deleted": "include"}, ["Mei", "Wei", "Li", "Gone"]),
        ],
    )
    def test_filters_are_those_of_the_list(self, api: Api, query: dict[str, str], expected: list[str]) -> None:
        customer(api, given_name="Mei", email="mei@shop.example", tags=["vip"], owner="anna")
        customer(api, given_name="Wei", phone="+8613812345678", status="blocked")
        customer(api, given_name="Li", external_ids={"shop": "1"}, tags=["vip"], country="CN")
        api.delete(f"/v1/customers/{customer(api, given_name='Gone')['id']}")

        found = export(api, **query)

        assert [row["given_name"] for row in found] == expected
        assert found == list(reversed(api.get("/v1/customers", query_string=query).json["data"]))

    def test_only_the_fields_that_are_asked_for(self, api: Api) -> None:
        made = customer(api, email="mei@shop.example")

        assert export(api, fields="email,given_name") == [{"id": made["id"], "email": "mei@shop.example", "given_name": "Mei"}]
        assert list(records(api, fields="email,given_name")[0]) == ["id", "email", "given_name"]

    @pytest.mark.parametrize(("query", "pointer"), [({"fields": "nmae"}, "query.fields"), ({"limit": "7"}, "query.limit")])
    def test_what_it_does_not_know_is_422(self, api: Api, query: dict[str, str], pointer: str) -> None:
        assert pointer in pointers(api.get("/v1/customers/export", query_string=query))

    def test_more_than_one_piece(self, api: Api) -> None:
        send(
            api, b"".join(b'{"external_id": "%d", "owner": "%s"}\n' % (n, b"x" * 200) for n in range(2500)), source="shop", report="errors"
        )

        found = export(api)

        assert len({row["id"] for row in found}) == 2500
        assert [row["id"] for row in found] == sorted(row["id"] for row in found)
        assert len(records(api)) == 2500


class TestCsv:
    def test_lists_are_json_and_a_record_may_have_many_lines(self, api: Api) -> None:
        customer(api, **whole_customer(addresses=[{"line1": 'a "b", c', "country": "CN"}], tags=["a|b"]))

        record = records(api)[0]

        assert json.loads(record["addresses"])[0]["line1"] == 'a "b", c'
        assert json.loads(record["tags"]) == ["a|b"]
        assert json.loads(record["attributes"])["tier"] == "gold"
        assert record["metrics.contact_count"] == "0"

    @pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "＝1", "'=1", "''@x"])
    def test_a_cell_never_begins_like_a_formula_and_comes_back_as_it_was(self, api: Api, text: str) -> None:
        made = customer(api, owner=text, given_name="Li", external_ids={"shop": "1"})

        exported = api.get("/v1/customers/export?fields=owner", headers=CSV).get_data().decode()

        cell = next(csv.reader(io.StringIO(exported.splitlines()[1])))[1]
        assert cell == f"'{text}"
        answer = send(api, f'external_id,owner\n1,"{cell}"\n'.encode(), kind="text/csv", source="shop")
        assert answer.outcomes == ["unchanged"]
        assert api.get(f"/v1/customers/{made['id']}").json["owner"] == text

    def test_what_is_harmless_stays_as_it_is(self, api: Api) -> None:
        customer(api, owner="O'Neill", given_name="'n Beetje")

        assert (records(api)[0]["owner"], records(api)[0]["given_name"]) == ("O'Neill", "'n Beetje")


def position_of(api: Api, **query: str) -> str:
    return str(api.get("/v1/customers/export", query_string=query).headers["Kehu-Position"])


class TestPosition:
    def test_the_feed_goes_on_behind_it(self, api: Api) -> None:
        made = customer(api)
        other = customer(api)
        position = position_of(api)

        api.patch(f"/v1/customers/{made['id']}", {"owner": "anna"})
        api.delete(f"/v1/customers/{other['id']}")

        assert [event["type"] for event in follow(api, position)] == ["customer.updated", "customer.deleted"]

    def test_it_is_the_beginning_where_nothing_was_written_yet(self, api: Api) -> None:
        position = position_of(api)

        customer(api)

        assert [event["type"] for event in follow(api, position, types="customer.*")] == ["customer.created"]

    def test_with_types_and_with_a_subject(self, api: Api) -> None:
        made, other = customer(api), customer(api)
        position = position_of(api)
        for one in (made, other):
            api.patch(f"/v1/customers/{one['id']}", {"owner": "anna"})
            api.delete(f"/v1/customers/{one['id']}")

        deleted = follow(api, position, types="customer.deleted")
        of_one = follow(api, position, subject=f"customers/{made['id']}", limit=1)

        assert [event["subject"] for event in deleted] == [f"customers/{one['id']}" for one in (made, other)]
        assert [event["type"] for event in of_one] == ["customer.updated", "customer.deleted"]

    def test_it_stays_exact_page_by_page_while_an_older_transaction_runs(self, api: Api, database_url: str) -> None:
        known = customer(api)
        # Has its id before the others and is not seen by the export: its event lies between those that are.
        with session(database_url) as connection:
            run(connection, "BEGIN", "SELECT pg_current_xact_id()")
            seen = [customer(api)["id"] for _ in range(3)]
            position = position_of(api)
            shown = [row["id"] for row in export(api)]
            meanwhile = follow(api, position)
            unseen = [customer(api)["id"] for _ in range(3)]
            # As any write of ours would, only later.
            run(connection, COPY_EVENT.format(known["id"]), "COMMIT")

        pages = [event["subject"].removeprefix("customers/") for event in follow(api, position, limit=1)]

        assert shown == [known["id"], *seen]
        assert meanwhile == []
        assert pages == [known["id"], *unseen]

    def test_of_an_earlier_life_it_is_410(self, api: Api) -> None:
        position = position_of(api)
        execute(api.app, "UPDATE feed_epoch SET epoch = epoch + 1")

        response = api.get("/v1/changes", query_string={"after": position})

        assert response.status_code == 410
        assert problem(response)["code"] == "position_of_earlier_life"
