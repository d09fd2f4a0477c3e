"""Protects what an import reads and says: types, encodings, lines that are broken, CSV as shops write it."""

from __future__ import annotations

import gzip

import pytest

from app.changes.positions import Place
from app.core import limits
from tests.web.streams import feature
from tests.web.streams.calls import CSV, NDJSON, Things, data, problem_of, results

GOOD = b'{"external_id": "1"}\n'


def codes(lines: list[dict[str, object]]) -> dict[int, str]:
    """Of each line that failed: its problem's code."""
    return {line["line"]: line["problem"]["code"] for line in lines if "problem" in line}  # type: ignore[index,misc]  # JSON


class TestDoor:
    @pytest.mark.parametrize("kind", [NDJSON, "application/ndjson", "application/jsonl", "Application/X-NDJSON; charset=UTF-8"])
    def test_ndjson_has_several_names(self, things: Things, kind: str) -> None:
        assert results(things.send(GOOD, kind))[1]["created"] == 1

    @pytest.mark.parametrize(
        "kind",
        ["", "application/json", "text/plain", "multipart/form-data", "text/csv; charset=gbk", "application/x-ndjson; charset=utf-16"],
    )
    def test_another_type_is_415(self, things: Things, kind: str) -> None:
        assert problem_of(things.send(GOOD, kind)) == (415, "unsupported_stream")

    @pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
    def test_another_coding_is_415(self, things: Things, coding: str) -> None:
        assert problem_of(things.send(GOOD, Content_Encoding=coding)) == (415, "unsupported_stream")

    @pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-ndjson;q=0", "text/html, */*;q=0"])
    def test_an_answer_that_is_ruled_out_is_406(self, things: Things, accept: str) -> None:
        assert problem_of(things.send(GOOD, Accept=accept)) == (406, "not_acceptable")

    @pytest.mark.parametrize("accept", ["*/*", "application/*", "application/x-ndjson", "text/html, application/x-ndjson;q=0.1", " "])
    def test_an_answer_that_is_not_ruled_out_is_given(self, things: Things, accept: str) -> None:
        response = things.send(GOOD, Accept=accept)

        assert response.status_code == 200
        assert response.content_type == NDJSON

    def test_the_statuses_come_in_their_order(self, things: Things) -> None:
        wrong = {"kind": "text/plain", "query": "?nonsense=1", "Accept": "text/html", "Idempotency_Key": "a"}

        seen = [problem_of(Things(things.app, token).send(GOOD, **wrong))[0] for token in ("", f"{feature.TOKEN}_read", feature.TOKEN)]  # type: ignore[arg-type]  # headers
        del wrong["Accept"]
        seen.append(problem_of(things.send(GOOD, **wrong))[0])  # type: ignore[arg-type]  # as above
        wrong["kind"] = NDJSON
        seen.append(problem_of(things.send(GOOD, **wrong))[0])  # type: ignore[arg-type]  # as above

        assert seen == [401, 403, 406, 415, 422]

    def test_an_idempotency_key_is_422(self, things: Things) -> None:
        assert problem_of(things.send(GOOD, Idempotency_Key="a")) == (422, "idempotency_not_supported")

    def test_an_unknown_parameter_is_422(self, things: Things) -> None:
        assert problem_of(things.send(GOOD, query="?reprot=errors")) == (422, "invalid")

    def test_without_a_place_it_is_503(self, things: Things) -> None:
        things.app.extensions["kehu"].streams.acquire()
        things.app.extensions["kehu"].streams.acquire()

        response = things.send(GOOD)

        assert problem_of(response) == (503, "streams_busy")
        assert response.headers["Retry-After"] == "1"

    def test_places_are_given_back_whatever_happens(self, things: Things) -> None:
        for _ in range(5):
            things.send(GOOD)
            things.send(b"no,such\n", CSV)
            things.send(GOOD, query="?breaks_at=1")
            things.export()
            things.export("?fails_at=0")
            things.export(method="HEAD")

        assert things.send(GOOD).status_code == 200


class TestNdjson:
    def test_a_broken_line_is_one_result(self, things: Things) -> None:
        body = b"\n".join([GOOD, b"{", b"", b"[1]", b'{"a":1,"a":2}', b"[" * 20 + b"]" * 20, b'{"a": "\xff"}', b'{"a": NaN}', GOOD])

        lines, summary = results(things.send(body))

        assert [line["line"] for line in lines] == [1, 3, 5, 6, 7, 8, 9, 10]
        assert codes(lines) == dict.fromkeys((3, 6, 7, 8, 9), "malformed_json") | {5: "invalid"}
        assert (summary["read"], summary["created"], summary["failed"]) == (8, 2, 6)

    def test_a_line_over_the_limit_is_one_result_and_the_next_one_is_read(self, things: Things) -> None:
        long = b'{"external_id": "' + b"x" * limits.LINE_MAX_BYTES + b'"}\n'

        lines, _ = results(things.send(GOOD + long + GOOD + long + GOOD))

        assert codes(lines) == {2: "line_too_long", 4: "line_too_long"}
        assert len(data()) == 3

    def test_a_byte_order_mark_and_the_line_ends_of_windows_are_accepted(self, things: Things) -> None:
        results(things.send(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") * 2))

        assert data() == [{"external_id": "1"}] * 2

    def test_the_last_line_needs_no_end_and_an_empty_body_is_nothing(self, things: Things) -> None:
        assert results(things.send(GOOD.strip()))[1]["read"] == 1
        assert results(things.send(b""))[1]["read"] == 0
        assert results(things.send(b"\n \r\n"))[1]["read"] == 0

    def test_errors_only(self, things: Things) -> None:
        lines, summary = results(things.send(GOOD + b"{\n" + GOOD, query="?report=errors"))

        assert [line["line"] for line in lines] == [2]
        assert summary["created"] == 2

    def test_chunks_are_of_a_thousand_or_of_a_megabyte(self, things: Things) -> None:
        things.send([{"external_id": str(number)} for number in range(2500)])
        by_count = [len(chunk) for chunk in feature.chunks]
        feature.chunks.clear()
        things.send([{"external_id": str(number), "name": "x" * 10_000} for number in range(300)])

        assert by_count == [1000, 1000, 500]
        assert [len(chunk) for chunk in feature.chunks] == [105, 105, 90]

    def test_a_line_says_what_it_was_and_the_summary_where_the_feed_is(self, things: Things) -> None:
        lines, summary = results(things.send(b'{"source": "shop", "external_id": "\xe5\xbc\xa0"}\n{'))

        assert lines[0] == {
            "line": 1,
            "outcome": "created",
            "status": 201,
            "source": "shop",
            "external_id": "张",
            "id": str(feature.ID),
            "version": 1,
        }
        assert lines[1]["status"] == lines[1]["problem"]["status"] == 400
        assert list(summary) == ["read", "created", "updated", "unchanged", "stale", "deleted", "failed", "position"]
        assert feature.POSITIONS.read(summary["position"]) == Place(1, 1, 1)

    @pytest.mark.parametrize(("query", "code"), [("?fails_at=1500", "database_unavailable"), ("?breaks_at=1500", "internal")])
    def test_where_the_feature_fails_it_is_said_from_where_to_send_again(self, things: Things, query: str, code: str) -> None:
        lines, summary = results(things.send([{"external_id": str(number)} for number in range(2500)], query=query))

        assert lines[-1]["outcome"] == "ended"
        assert lines[-1]["problem"]["code"] == code
        assert lines[-1]["problem"]["line"] == 1001
        assert summary["read"] == summary["created"] == 1000


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "windows-1252"])
    @pytest.mark.parametrize("header", ["external_id,name", "name,external_id"])
    def test_csv_in_another_encoding_is_415_with_a_sentence(self, things: Things, encoding: str, header: str) -> None:
        name = "Jos\u00e9 Mu\u00f1oz" if encoding == "windows-1252" else "\u5f20\u4e09\u4e30"
        body = "\r\n".join([header, *[f"1,{name}", f"{name},1"] * 5]).encode(encoding)

        response = things.send(body, CSV)

        assert problem_of(response) == (415, "unsupported_encoding")
        assert "iconv -f" in response.get_data(as_text=True)

    @pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-16-le"])
    def test_ndjson_in_another_encoding_is_415(self, things: Things, encoding: str) -> None:
        body = '{"external_id": "1", "name": "\u5f20\u4e09"}\n'.encode(encoding)

        assert problem_of(things.send(body)) == (415, "unsupported_encoding")

    def test_a_line_that_is_not_utf_8_among_others_is_one_result(self, things: Things) -> None:
        body = "external_id,name\n1,\u5f20\u4e09\n".encode() + b"2,\xc0\xaf\n" + "3,\u674e\u56db\n".encode()

        lines, summary = results(things.send(body, CSV))

        assert codes(lines) == {3: "malformed_line"}
        assert summary["created"] == 2

    def test_a_character_that_is_cut_by_the_first_block_is_no_fault(self, things: Things) -> None:
        for more in range(3):
            body = b"external_id,name\n" + b"x" * more + ("1," + "\u5f20" * 50_000 + "\n").encode()
            assert results(things.send(body, CSV))[1]["created"] == 1


class TestGzip:
    def test_several_members_are_one_body(self, things: Things) -> None:
        packed = gzip.compress(GOOD * 2) + gzip.compress(GOOD) + b"\0" * 100

        assert results(things.send(packed, Content_Encoding="gzip"))[1]["created"] == 3

    @pytest.mark.parametrize(
        "damage", [b"no gzip at all", gzip.compress(GOOD)[:-5], gzip.compress(GOOD * 99) + b"rest"], ids=("none", "cut", "trailed")
    )
    def test_damage_is_said(self, things: Things, damage: bytes) -> None:
        response = things.send(damage, Content_Encoding="gzip")

        assert b"gzip_damaged" in response.get_data()

    def test_well_compressed_lines_are_taken(self, things: Things) -> None:
        assert results(things.send(GOOD * 100_000, zipped=True, query="?report=errors"))[1]["created"] == 100_000


class TestCsv:
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_separators_and_line_ends(self, things: Things, separator: str, end: str) -> None:
        body = end.join(separator.join(cells) for cells in (["\ufeffexternal_id", " name "], ["1", '"a,b;c\td"'], ["2", '"say ""hi"""']))

        results(things.send(body.encode(), CSV))

        assert data() == [{"external_id": "1", "name": "a,b;c\td"}, {"external_id": "2", "name": 'say "hi"'}]

    def test_quoted_line_ends_and_the_numbers_of_lines(self, things: Things) -> None:
        body = b'external_id,name\n\n1,"a\nb\n\nc"\n2,x\n3,"d\r\ne"\r\n4\n'

        lines, summary = results(things.send(body, CSV))

        assert [line["line"] for line in lines] == [3, 7, 8, 10]
        assert [one["name"] for one in data()] == ["a\nb\n\nc", "x", "d\r\ne"]
        assert codes(lines) == {10: "invalid"}
        assert summary["read"] == 4

    def test_kinds_of_cells(self, things: Things) -> None:
        header = "external_id,tags,parts,attributes,attributes.tier,external_ids.shop,count,known,name"
        body = f'{header}\n1,a | b,"[{{""name"": ""x""}}]","{{""y"": 1}}",gold,77,5,TRUE,\n2,"[""a|b""]",,,,,,,\'=1\n'

        results(things.send(body.encode(), CSV))

        assert data() == [
            {
                "external_id": "1",
                "tags": ["a", "b"],
                "parts": [{"name": "x"}],
                "attributes": {"y": 1, "tier": "gold"},
                "external_ids": {"shop": "77"},
                "count": 5,
                "known": True,
            },
            {"external_id": "2", "tags": ["a|b"], "name": "=1"},
        ]

    def test_cells_that_are_wrong_are_named(self, things: Things) -> None:
        body = b'external_id,count,known,parts,attributes.x,attributes\n1,1.5,maybe,{,y,"[1]"\n'

        lines, _ = results(things.send(body, CSV))

        assert [(fault["pointer"], fault["code"]) for fault in lines[0]["problem"]["errors"]] == [
            ("/count", "wrong_type"),
            ("/known", "wrong_type"),
            ("/parts", "malformed_json"),
        ]

    @pytest.mark.parametrize(
        ("header", "code", "pointer"),
        [
            ("external_id,nmae", "unknown_column", "header.nmae"),
            ("external_id,name,name", "bad_header", "header.name"),
            ("external_id,,name", "bad_header", "header.2"),
            ("", "bad_header", "header"),
            ('"external_id', "bad_header", "header"),
            ("external_id,attributes.", "unknown_column", "header.attributes."),
            ("external_id,name.x", "unknown_column", "header.name.x"),
        ],
    )
    def test_a_header_that_is_wrong_is_422(self, things: Things, header: str, code: str, pointer: str) -> None:
        response = things.send(f"{header}\n1,2\n".encode() if header else b"", CSV)

        assert problem_of(response) == (422, code)
        assert response.json is not None
        assert pointer in [fault["pointer"] for fault in response.json["errors"]]

    def test_the_nearest_column_is_named(self, things: Things) -> None:
        assert b"Did you mean `name`?" in things.send(b"external_id,nmae\n", CSV).get_data()

    def test_a_quotation_mark_that_is_never_closed_does_not_swallow_the_file_in_silence(self, things: Things) -> None:
        body = b'external_id,name\n0,x\n1,"open\n' + b"".join(b"%d,name\n" % number for number in range(2, 150_000))

        lines, summary = results(things.send(body, CSV, query="?report=errors"))

        assert [(line["line"], line["problem"]["code"]) for line in lines] == [(3, "line_too_long"), (3, "quote_not_closed")]
        assert lines[-1]["outcome"] == "ended"
        assert summary["created"] == 1

    def test_the_text_of_a_cell_that_is_too_long_is_never_read_as_records(self, things: Things) -> None:
        text = "n" * 200 + "\n"
        body = f'external_id,name\n1,"{text * 6000}injected,name\n"\n2,ok\n'.encode()

        lines, summary = results(things.send(body, CSV, query="?report=errors"))

        assert codes(lines) == {2: "line_too_long"}
        assert (summary["read"], summary["created"]) == (2, 1)
        assert [one["external_id"] for one in data()] == ["2"]

    def test_one_that_is_open_at_the_end_neither(self, things: Things) -> None:
        lines, summary = results(things.send(b'external_id,name\n1,"open\n2,x\n3,y', CSV))

        assert codes(lines) == {2: "malformed_line"}
        assert summary["created"] == 2

    def test_quotation_marks_made_to_be_read_again_and_again_are_read_in_time(self, things: Things) -> None:
        body = b'external_id,name\n1,"open\n' + b'x","y\n' * 200_000

        lines, _ = results(things.send(body, CSV, query="?report=errors"))

        assert lines[0]["problem"]["code"] == "line_too_long"

    def test_the_same_content_has_the_same_raw_form_however_it_is_written(self, things: Things) -> None:
        things.send(b'external_id,name\n1,"x"\n1,x\n', CSV)
        things.send(b"external_id;name\r\n1;x\r\n", CSV)

        assert len({line.raw for chunk in feature.chunks for line in chunk}) == 1
