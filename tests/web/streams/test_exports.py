"""Protects what an export says: in the kind that is asked for, whole or visibly not, and of no harm to a spreadsheet."""

from __future__ import annotations

import csv
import io
from urllib.parse import quote

import orjson
import pytest

from tests.web.streams import feature
from tests.web.streams.calls import CSV, NDJSON, Things, data, problem_of


class TestKinds:
    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            ("", NDJSON),
            ("*/*", NDJSON),
            ("text/csv", CSV),
            ("text/*", CSV),
            ("text/csv;q=0.5, application/x-ndjson;q=0.4", CSV),
            ("text/csv, */*", NDJSON),
            ("text/html, text/csv;q=0.1", CSV),
            ("application/x-ndjson;q=0, */*;q=0.1", CSV),
        ],
    )
    def test_what_is_asked_for_is_given(self, things: Things, accept: str, kind: str) -> None:
        response = things.export(accept=accept)

        assert response.status_code == 200
        assert response.mimetype == kind
        assert response.headers["Kehu-Position"] == "here"

    @pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*;q=0"])
    def test_another_kind_is_406(self, things: Things, accept: str) -> None:
        assert problem_of(things.export(accept=accept)) == (406, "not_acceptable")

    def test_without_token_or_with_an_unknown_parameter_it_is_refused(self, things: Things) -> None:
        assert problem_of(Things(things.app, "").export())[0] == 401
        assert problem_of(things.export("?nonsense=1"))[0] == 422

    def test_a_failure_before_the_first_byte_is_a_problem(self, things: Things) -> None:
        assert problem_of(things.export("?fails_at=0")) == (503, "database_unavailable")


class TestContent:
    def test_every_row_is_a_line(self, things: Things) -> None:
        lines = things.export("?count=5000").get_data().splitlines()

        assert [orjson.loads(line)["count"] for line in lines] == list(range(5000))
        assert orjson.loads(lines[0])["id"] == str(feature.ID)

    def test_csv_has_a_header_and_lists_and_objects_as_json(self, things: Things) -> None:
        text = things.export("?count=1", accept=CSV).get_data(as_text=True)

        assert list(csv.reader(io.StringIO(text))) == [
            ["id", "name", "count", "tags", "attributes", "attributes.x", "none"],
            [str(feature.ID), "thing", "0", '["a","b"]', '{"x":"=1","y":true}', "'=1", ""],
        ]

    def test_nothing_is_still_a_header(self, things: Things) -> None:
        assert things.export("?count=0", accept=CSV).get_data().startswith(b"id,name")
        assert things.export("?count=0").get_data() == b""

    @pytest.mark.parametrize(
        "name", ["=cmd|' /C calc'!A0", "+86 138", "-1", "@x", "'=1", "''@", "'plain", 'say "hi", "you"', "a;b", "\uff1d1", "\u5f20\u4e09"]
    )
    def test_a_text_is_no_formula_and_comes_back_as_it_was(self, things: Things, name: str) -> None:
        exported = things.export(f"?count=1&name={quote(name)}", accept=CSV).get_data(as_text=True)
        cell = next(csv.DictReader(io.StringIO(exported)))["name"]
        again = io.StringIO()
        csv.writer(again).writerows([["name"], [cell]])

        things.send(again.getvalue().encode(), CSV)

        assert cell[0] not in "=+-@\t\r\uff1d"
        assert data()[-1] == {"name": name}
