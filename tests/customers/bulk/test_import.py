"""Protects imports of customers: each line is decided as the PUT of its external id is, and the same sent again changes nothing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.builders import customer, events, rows, whole_customer
from tests.client import Api, problem
from tests.customers.bulk.calls import batch, count_of, everything, load, ndjson, send

CSV = "text/csv"


def by_key(api: Api, external_id: str = "1") -> dict[str, Any]:
    return dict(api.get(f"/v1/customers/by/shop/{external_id}").json)


class TestLines:
    def test_a_whole_customer_is_what_a_put_would_make(self, api: Api) -> None:
        sent = whole_customer(external_ids={"shop": "1", "erp": "9"})
        del sent["source"]

        answer = load(api, {"external_id": "1", **sent})

        made = by_key(api)
        assert answer.results == [
            {
                "line": 1,
                "outcome": "created",
                "status": 201,
                "source": "shop",
                "external_id": "1",
                "id": made["id"],
                "version": 1,
            }
        ]
        assert {name: made[name] for name in sent} == sent
        # In a line it says whose the id is, and with it where the customer was first heard of.
        assert made["source"] == "shop"
        assert answer.counts == {"read": 1, "created": 1}
        assert api.get("/v1/changes", query_string={"after": answer.summary["position"]}).json["data"] == []
        assert events(api.app) == ["customer.created"]

    def test_the_line_names_its_source_or_the_call_does(self, api: Api) -> None:
        body = ndjson([{"source": "erp", "external_id": "1"}, {"external_id": "2"}])

        told = send(api, body, source="shop")
        without = send(api, body)

        assert [result["source"] for result in told.results] == ["erp", "shop"]
        assert without.outcomes == ["unchanged", "failed"]
        assert [fault["pointer"] for fault in without.results[1]["problem"]["errors"]] == ["/source"]

    def test_csv_makes_what_ndjson_makes(self, api: Api) -> None:
        header = "external_id;given_name;email;phone;country;tags;attributes.tier;birthday;source_updated_at"
        record = "1;Mei;mei@shop.example;138 1234 5678;CN;a|b;gold;1984-02-29;2026-01-01T00:00:00Z"

        answer = send(api, f"\ufeff{header}\r\n{record}\r\n".encode(), kind=CSV, source="shop")

        made = by_key(api)
        assert answer.outcomes == ["created"]
        assert answer.results[0]["line"] == 2
        assert (made["given_name"], made["phone"], made["tags"]) == ("Mei", "+8613812345678", ["a", "b"])
        assert (made["attributes"], made["birthday"]) == ({"tier": "gold"}, "1984-02-29")

    def test_an_empty_cell_leaves_the_field(self, api: Api) -> None:
        customer(api, owner="anna", given_name="Li", external_ids={"shop": "1"})

        send(api, b"external_id,owner,given_name\n1,,Wei\n", kind=CSV, source="shop")

        assert (by_key(api)["owner"], by_key(api)["given_name"]) == ("anna", "Wei")

    def test_gzip(self, api: Api) -> None:
        response = api.post(
            "/v1/customers/import?source=shop",
            data=gzip.compress(ndjson([{"external_id": "1"}])),
            content_type="application/x-ndjson",
            headers={"Content-Encoding": "gzip"},
        )

        assert response.status_code == 200
        assert count_of(api.app) == 1

    def test_csv_in_gbk_is_415_and_says_what_to_do(self, api: Api) -> None:
        body = "external_id,given_name\n1,张伟\n2,王芳\n".encode("gbk")

        response = api.post("/v1/customers/import?source=shop", data=body, content_type=CSV)

        assert response.status_code == 415
        assert "UTF-8" in problem(response)["detail"]
        assert count_of(api.app) == 0

    def test_delete(self, api: Api) -> None:
        made = customer(api, external_ids={"shop": "1"})

        line = {"external_id": "1", "op": "delete"}
        answer = load(api, line, line, {"external_id": "9", "op": "delete"})

        assert answer.outcomes == ["deleted", "unchanged", "failed"]
        assert [result["status"] for result in answer.results] == [204, 204, 404]
        assert api.get(f"/v1/customers/{made['id']}").status_code == 410
        assert answer.counts == {"read": 3, "deleted": 1, "unchanged": 1, "failed": 1}

    def test_older_lines_are_stale(self, api: Api) -> None:
        new = {"external_id": "1", "owner": "new", "source_updated_at": "2026-02-01T00:00:00Z"}
        old = {"external_id": "1", "owner": "old", "source_updated_at": "2026-01-01T00:00:00Z"}

        answer = load(api, new, old)
        again = load(api, old)

        assert (answer.outcomes, again.outcomes) == (["created", "stale"], ["stale"])
        assert by_key(api)["owner"] == "new"

    def test_the_deleted_are_410_unless_they_are_to_come_back(self, api: Api) -> None:
        line = {"external_id": "1", "owner": "anna"}
        made = load(api, line).results[0]["id"]
        api.delete(f"/v1/customers/{made}")

        refused = load(api, line)
        restored = load(api, line, deleted="restore")

        assert [result["status"] for result in refused.results] == [410]
        assert refused.results[0]["id"] == made
        assert restored.outcomes == ["updated"]
        assert by_key(api)["version"] == 3
        assert events(api.app)[-1] == "customer.restored"


class TestBroken:
    def test_a_broken_line_is_one_result_with_its_number(self, api: Api) -> None:
        lines = [
            b'{"external_id": "1"}',
            b"",
            b"{",
            b'{"external_id": "2", "external_id": "3"}',
            b'{"external_id": "4", "email": "x"}',
            b'{"external_id": "5\xff"}',
            b"[]",
            b'{"given_name": "nobody"}',
            b'{"external_id": "6", "nmae": 1}',
            b'{"external_id": "7", "phone": "138 1234 5678"}',
            b'{"external_id": "8", "op": "upset"}',
            b'{"external_id": "9"}',
        ]

        answer = send(api, b"\n".join(lines), source="shop")

        told = [(result["line"], result["outcome"], result["status"]) for result in answer.results]
        assert told == [
            (1, "created", 201),
            (3, "failed", 400),
            (4, "failed", 400),
            (5, "failed", 422),
            (6, "failed", 400),
            (7, "failed", 422),
            (8, "failed", 422),
            (9, "failed", 422),
            (10, "failed", 422),
            (11, "failed", 422),
            (12, "created", 201),
        ]
        assert [fault["pointer"] for fault in answer.results[3]["problem"]["errors"]] == ["/email"]
        assert [fault["pointer"] for fault in answer.results[8]["problem"]["errors"]] == ["/phone"]
        assert answer.counts == {"read": 11, "created": 2, "failed": 9}

    def test_a_record_of_csv_over_several_lines_is_named_by_its_first(self, api: Api) -> None:
        body = b'external_id,owner,email\n1,"a\nb",\n2,c,x\n3,d,\n'

        answer = send(api, body, kind=CSV, source="shop")

        assert [(result["line"], result["status"]) for result in answer.results] == [(2, 422), (4, 422), (5, 201)]

    def test_only_failures_are_told_where_that_is_asked_for(self, api: Api) -> None:
        lines = [{"external_id": str(number), **({"email": "x"} if number == 700 else {})} for number in range(1500)]

        answer = load(api, *lines, report="errors")

        assert [result["line"] for result in answer.results] == [701]
        assert answer.counts == {"read": 1500, "created": 1499, "failed": 1}

    def test_nothing_is_a_summary_of_nothing(self, api: Api) -> None:
        answer = send(api, b"")

        assert (answer.results, answer.counts) == ([], {})


class TestDryRun:
    def test_it_says_what_would_be_and_writes_nothing(self, api: Api) -> None:
        load(api, {"external_id": "1", "owner": "anna"}, {"external_id": "2"})
        before = everything(api.app)

        lines = [{"external_id": "1", "owner": "anna"}, {"external_id": "2", "owner": "anna"}, {"external_id": "3"}]
        lines += [{"external_id": "3", "owner": "anna"}, {"external_id": "4", "email": "x"}, {"external_id": "2", "op": "delete"}]
        answer = load(api, *lines, dry_run="true")

        assert answer.outcomes == ["unchanged", "updated", "created", "updated", "failed", "deleted"]
        assert answer.summary["position"] is None
        assert everything(api.app) == before

    def test_it_says_the_same_as_the_import_after_it(self, api: Api) -> None:
        customer(api, email="mei@shop.example")
        lines = [{"external_id": "1", "email": "mei@shop.example"}, {"external_id": "2", "email": "mei@shop.example"}]

        dry = load(api, *lines, dry_run="true", match="email")
        wet = load(api, *lines, match="email")

        assert dry.outcomes == wet.outcomes == ["updated", "created"]


class TestAgain:
    def test_the_second_time_nothing_is_written(self, api: Api) -> None:
        lines = [{"external_id": str(number), "given_name": f"Li {number}", "tags": ["a"]} for number in range(1200)]
        load(api, *lines)
        before = everything(api.app)

        again = load(api, *lines)

        assert again.counts == {"read": 1200, "unchanged": 1200}
        assert again.summary["position"] is None
        assert everything(api.app) == before

    def test_csv_too(self, api: Api) -> None:
        body = b"external_id,owner\n1,anna\n2,otto\n"
        first = send(api, body, kind=CSV, source="shop")
        before = everything(api.app)

        again = send(api, body, kind=CSV, source="shop")

        assert (first.outcomes, again.outcomes) == (["created", "created"], ["unchanged", "unchanged"])
        assert everything(api.app) == before

    def test_the_same_otherwise_written_is_unchanged_too(self, api: Api) -> None:
        load(api, {"external_id": "1", "owner": "anna", "given_name": "Li"})

        again = load(api, {"given_name": "Li", "external_id": "1", "owner": "anna"})

        assert again.outcomes == ["unchanged"]
        assert events(api.app) == ["customer.created"]

    @pytest.mark.parametrize("write", ["patch", "put", "batch", "delete by batch", "detach", "another line", "restored", "line deletes"])
    def test_after_any_other_write_the_line_is_applied_again(self, api: Api, write: str) -> None:
        line = {"external_id": "1", "owner": "anna", "given_name": "Li"}
        made = load(api, line).results[0]["id"]
        path = f"/v1/customers/{made}"
        writes: dict[str, Callable[[], object]] = {
            "patch": lambda: api.patch(path, {"owner": "otto"}),
            "put": lambda: api.put("/v1/customers/by/shop/1", {"owner": "otto"}),
            "batch": lambda: batch(api, {"op": "update", "id": made, "data": {"owner": "otto"}}),
            "delete by batch": lambda: batch(api, {"op": "delete", "id": made}),
            "detach": lambda: api.delete("/v1/customers/by/shop/1"),
            "another line": lambda: load(api, {"external_id": "1", "owner": "otto"}),
            "restored": lambda: [api.patch(path, {"owner": "otto"}), api.delete(path), api.post(f"{path}/restore")],
            "line deletes": lambda: load(api, {"external_id": "1", "op": "delete"}),
        }
        writes[write]()

        again = load(api, line, deleted="restore")

        assert again.outcomes == (["created"] if write == "detach" else ["updated"])
        assert (by_key(api)["owner"], by_key(api)["given_name"]) == ("anna", "Li")
        assert load(api, line).outcomes == ["unchanged"]

    def test_a_stale_line_is_not_taken_for_what_it_did_not_write(self, api: Api) -> None:
        known = customer(api, email="mei@shop.example", source_updated_at="2026-02-01T00:00:00Z", owner="new")
        line = {"external_id": "1", "email": "mei@shop.example", "owner": "old", "source_updated_at": "2026-01-01T00:00:00Z"}
        load(api, line, match="email")
        api.patch(f"/v1/customers/{known['id']}", {"source_updated_at": None})

        again = load(api, line)

        assert again.outcomes == ["updated"]
        assert by_key(api)["owner"] == "old"


class TestTwiceInOneCall:
    ANNA = {"external_id": "1", "owner": "anna"}
    OTTO = {"external_id": "1", "owner": "otto"}

    @pytest.mark.parametrize("stored", [None, ANNA, OTTO])
    @pytest.mark.parametrize("lines", [(ANNA, OTTO), (OTTO, ANNA), (ANNA, OTTO, ANNA), (OTTO, OTTO, ANNA)])
    def test_the_last_wins(self, api: Api, stored: dict[str, str] | None, lines: tuple[dict[str, str], ...]) -> None:
        if stored is not None:
            load(api, stored)

        answer = load(api, *lines)

        assert by_key(api)["owner"] == lines[-1]["owner"]
        written = [outcome for outcome in answer.outcomes if outcome != "unchanged"]
        now = stored["owner"] if stored else None
        expected = []
        for line in lines:
            if line["owner"] != now:
                expected.append("created" if now is None else "updated")
            now = line["owner"]
        assert written == expected
        assert by_key(api)["version"] == len(expected) + (stored is not None)
        assert load(api, lines[-1]).outcomes == ["unchanged"]

    @pytest.mark.parametrize("restore", [False, True])
    def test_deleted_before_the_same_line(self, api: Api, restore: bool) -> None:
        load(api, self.ANNA)

        query = {"deleted": "restore"} if restore else {}
        answer = load(api, {"external_id": "1", "op": "delete"}, self.ANNA, **query)

        assert answer.outcomes == ["deleted", "updated" if restore else "failed"]

    def test_an_id_that_moves_in_one_call(self, api: Api) -> None:
        first = load(api, {"external_id": "1", "email": "mei@shop.example", "external_ids": {"erp": "9"}}).results[0]["id"]
        line = {"external_id": "1", "email": "mei@shop.example", "external_ids": {"erp": "9"}}

        # The first lets go of shop:1, by its id at the ERP; the line that was applied before is looked at again.
        let_go = orjson.dumps({"source": "erp", "external_id": "9", "external_ids": {"shop": None}}) + b"\n"
        answer = send(api, let_go + ndjson([line]), source="shop", match="email")

        assert answer.outcomes == ["updated", "updated"]
        assert answer.results[1]["id"] == first
        keys = rows(api.app, "SELECT source, external_id, customer_id::text FROM customer_keys ORDER BY 1")
        assert [tuple(row) for row in keys] == [("erp", "9", first), ("shop", "1", first)]

    def test_an_id_that_moved_to_another_customer(self, api: Api) -> None:
        line = {"external_id": "1", "owner": "anna"}
        first = load(api, line).results[0]["id"]
        second = customer(api)["id"]
        api.patch(f"/v1/customers/{first}", {"external_ids": {"shop": None}})
        api.patch(f"/v1/customers/{second}", {"external_ids": {"shop": "1"}})

        answer = load(api, line)

        assert (answer.outcomes, answer.results[0]["id"]) == (["updated"], second)
