"""Protects lists and addresses from parameters, cursors and ids that are none: refused, and never guessed at."""

from __future__ import annotations

import pytest

from tests.client import Api, pointers, problem
from tests.faults.inputs import NOBODY, stored


class TestCursors:
    @pytest.fixture
    def cursor(self, api: Api) -> str:
        for number in range(3):
            api.post("/v1/customers", {"given_name": f"Li {number}", "tags": ["a"]})
        cursor = api.get("/v1/customers?limit=1&tag=a").json["next_cursor"]
        assert isinstance(cursor, str)
        return cursor

    def test_a_cursor_goes_on_where_its_page_ended_with_another_limit_and_other_fields(self, api: Api, cursor: str) -> None:
        whole = api.get("/v1/customers?tag=a").json["data"]

        rest = api.get(f"/v1/customers?limit=2&tag=a&fields=given_name&count=exact&cursor={cursor}").json

        assert [item["id"] for item in rest["data"]] == [item["id"] for item in whole[1:]]
        assert rest["total"] == 3

    def test_a_cursor_with_any_character_changed_or_cut_is_400(self, api: Api, cursor: str) -> None:
        spoilt = [cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :] for place in range(len(cursor))]
        cut = [cursor[:length] for length in range(0, len(cursor), 3)]

        found = {_cursor_code(api, text) for text in (*spoilt, *cut)}

        assert found == {"bad_cursor"}

    @pytest.mark.parametrize("text", ["", "a", "=", "null", "....", "\0", "\u202e", "李", "A" * 7000, "!" * 100])
    def test_what_is_no_cursor_is_400(self, api: Api, text: str) -> None:
        assert _cursor_code(api, text) == "bad_cursor"

    @pytest.mark.parametrize("ending", ["=", "%0A", "A", "%20", "&tag=a"])
    def test_a_cursor_with_something_behind_it_is_refused(self, api: Api, cursor: str, ending: str) -> None:
        response = api.get("/v1/customers", query_string=f"tag=a&cursor={cursor}{ending}")

        assert response.status_code == (422 if ending.startswith("&") else 400)

    @pytest.mark.parametrize(
        "other", ["tag=b", "", "tag=a&status=active", "tag=a&sort=created_at", "tag=a&sort=-updated_at", "tag=a&deleted=only"]
    )
    def test_a_cursor_of_another_filter_or_sort_is_400(self, api: Api, cursor: str, other: str) -> None:
        response = api.get("/v1/customers", query_string=f"{other}&cursor={cursor}")

        assert problem(response)["code"] == "bad_cursor"

    def test_a_cursor_of_another_list_is_400(self, api: Api, cursor: str) -> None:
        response = api.get("/v1/tokens", query_string={"cursor": cursor})

        assert problem(response)["code"] == "bad_cursor"


class TestQueries:
    @pytest.mark.parametrize("limit", ["0", "-1", "1000000000", "201", "1.0", "1e1", "", " 1", "+1", "٣", "0x1", "9" * 5000, "null"])
    def test_a_limit_out_of_bounds_is_422(self, api: Api, limit: str) -> None:
        assert list(pointers(api.get("/v1/customers", query_string={"limit": limit}))) == ["query.limit"]

    def test_a_parameter_that_stands_twice_is_422(self, api: Api) -> None:
        response = api.get("/v1/customers?limit=1&limit=1&tag=a&tag=b&q=li")

        assert pointers(response) == {"query.limit": "repeated", "query.tag": "repeated"}

    @pytest.mark.parametrize(
        "path", ["/v1/customers", f"/v1/customers/{NOBODY}", "/v1/customers/by/shop/1", "/v1/tokens", "/v1/tokens/self"]
    )
    def test_an_unknown_parameter_is_422_wherever_it_stands(self, api: Api, path: str) -> None:
        assert pointers(api.get(f"{path}?lmit=1")) == {"query.lmit": "unknown_parameter"}

    def test_the_nearest_known_name_is_named(self, api: Api) -> None:
        response = api.get("/v1/customers?updated_afer=1")

        assert "`updated_after`" in problem(response)["errors"][0]["detail"]

    @pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
    def test_an_unknown_parameter_of_a_write_is_422_and_nothing_is_written(self, api: Api, method: str) -> None:
        made = api.post("/v1/customers", {"external_ids": {"shop": "1"}}).json["id"]
        path = {"POST": "/v1/customers", "PUT": "/v1/customers/by/shop/1"}.get(method, f"/v1/customers/{made}")

        response = api.request(method, f"{path}?dry_run=true", json=None if method == "DELETE" else {"given_name": "Li"})

        assert pointers(response) == {"query.dry_run": "unknown_parameter"}
        assert api.get(f"/v1/customers/{made}").json["version"] == 1
        assert stored(api) == 1

    @pytest.mark.parametrize(
        "sort", ["name", "id", "-", "", "created_at,updated_at", "CREATED_AT", "-created_at desc", "xid", "search_text"]
    )
    def test_an_unknown_sort_is_422(self, api: Api, sort: str) -> None:
        assert list(pointers(api.get("/v1/customers", query_string={"sort": sort}))) == ["query.sort"]

    @pytest.mark.parametrize("names", ["search_text", "xid", "email_key", "given_name,", "", "*", "id,metrics.contact_count", " id"])
    def test_an_unknown_field_is_422(self, api: Api, names: str) -> None:
        assert list(pointers(api.get("/v1/customers", query_string={"fields": names}))) == ["query.fields"]


class TestIds:
    @pytest.mark.parametrize(
        "text",
        [
            *("1", "1" + "0" * 30, "-1", "null", "undefined", "NaN", "%20", "..", "%2e%2e", "{id}", "*", "a" * 4000, "%0a", "me"),
            *(
                NOBODY,
                "00000000-0000-0000-0000-000000000000",
                NOBODY.replace("-", ""),
                "{" + NOBODY + "}",
                NOBODY + "%0A",
                f"urn:uuid:{NOBODY}",
            ),
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/customers/{}", "/v1/customers/{}/changes", "/v1/tokens/{}"])
    def test_an_id_that_is_none_or_nobody_s_is_404(self, api: Api, path: str, text: str) -> None:
        response = api.get(path.replace("{}", text))

        assert problem(response)["code"] == "not_found"

    def test_an_id_in_capitals_is_the_same_id(self, api: Api) -> None:
        made = api.post("/v1/customers", {}).json["id"]

        assert api.get(f"/v1/customers/{made.upper()}").json["id"] == made

    @pytest.mark.parametrize("value", ["1", "", NOBODY, "{" + NOBODY + "}", 1, [], {}, NOBODY.replace("-", "")])
    def test_an_id_in_a_body_that_is_none_or_nobody_s_is_422(self, api: Api, value: object) -> None:
        response = api.post("/v1/customers", {"organization_id": value})

        if value == "":
            assert response.json["organization_id"] is None
        else:
            assert list(pointers(response)) == ["/organization_id"]

    @pytest.mark.parametrize(
        "address", ["/v1/customers/", "/v1/customers//", "/V1/customers", "/v1", "/", "/v1/customers.json", "/v1/customers;a=1"]
    )
    def test_an_address_that_is_none_is_404(self, api: Api, address: str) -> None:
        assert problem(api.get(address))["code"] == "not_found"


def _cursor_code(api: Api, cursor: str) -> str:
    response = api.get("/v1/customers", query_string={"tag": "a", "cursor": cursor})
    assert response.status_code == 400
    return str(problem(response)["code"])
