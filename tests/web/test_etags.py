"""Protects what callers demand of versions by If-Match and If-None-Match, in every form in which they and proxies write them."""

from __future__ import annotations

import pytest

from tests.client import Api, problem

KEY = "/v1/customers/by/shop/1"


@pytest.fixture
def path(api: Api) -> str:
    """A customer at version 2, `"2.0"`."""
    made = api.post("/v1/customers", {"external_ids": {"shop": "1"}}).json["id"]
    api.patch(f"/v1/customers/{made}", {"given_name": "Li"})
    return f"/v1/customers/{made}"


class TestIfMatch:
    @pytest.mark.parametrize(
        "tag",
        [
            *('"2.0"', 'W/"2.0"', '"2"', 'W/"2"', '"2.99"', "*", '"1.0", "2.0"', '"x","2.0"', 'W/"1.0" , W/"2.0"', "2.0"),
            *('  "2.0"  ', '"2.0",'),
        ],
    )
    def test_the_true_version_passes_in_every_form(self, api: Api, path: str, tag: str) -> None:
        response = api.patch(path, {"owner": "anna"}, headers={"If-Match": tag})

        assert response.status_code == 200
        assert response.headers["ETag"] == '"3.0"'

    @pytest.mark.parametrize(
        "tag",
        [
            *(
                '"1.0"',
                '"3.0"',
                'W/"1.0"',
                '"0"',
                '"-2"',
                '"2.0.0"',
                '"2."',
                '".0"',
                '"2.x"',
                '"x"',
                '""',
                "",
                " ",
                ",",
                '"*"',
                '"1.0", "3.0"',
            ),
            *('"2 "', '"٢"', '"2' + "0" * 40 + '"', "W/", '"2.0', "'2.0'", "2.0;x"),
        ],
    )
    def test_any_other_is_412_and_changes_nothing(self, api: Api, path: str, tag: str) -> None:
        response = api.patch(path, {"owner": "anna"}, headers={"If-Match": tag})

        assert response.status_code == 412
        assert problem(response)["version"] == 2
        assert api.get(path).json["owner"] is None

    def test_delete_and_detach_demand_it_too(self, api: Api, path: str) -> None:
        stale = {"If-Match": '"1.0"'}

        assert api.delete(path, headers=stale).status_code == 412
        assert api.delete(KEY, headers=stale).status_code == 412
        assert api.delete(KEY, headers={"If-Match": '"2.0"'}).status_code == 204
        assert api.delete(path, headers={"If-Match": '"3"'}).status_code == 204

    @pytest.mark.parametrize("tag", ["*", '"1.0"', 'W/"1.0"', '""'])
    def test_a_put_that_would_create_is_412_and_creates_nothing(self, api: Api, tag: str) -> None:
        response = api.put(KEY, {}, headers={"If-Match": tag})

        assert response.status_code == 412
        assert "version" not in problem(response)
        assert api.get(KEY).status_code == 404


class TestIfNoneMatch:
    @pytest.mark.parametrize("tag", ['"2.0"', 'W/"2.0"', "*", '"1.0", "2.0"', 'W/"x", W/"2.0"', "2.0"])
    def test_the_whole_true_tag_is_304_with_the_tag_and_without_a_body(self, api: Api, path: str, tag: str) -> None:
        response = api.get(path, headers={"If-None-Match": tag})

        assert response.status_code == 304
        assert response.headers["ETag"] == '"2.0"'
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert "Content-Type" not in response.headers
        assert response.get_data() == b""

    @pytest.mark.parametrize("tag", ['"2"', '"2.1"', '"1.0"', '"2.0.0"', '"*"', '""', "", ",", "W/", '"2.00"'])
    def test_any_other_is_the_whole_answer(self, api: Api, path: str, tag: str) -> None:
        response = api.get(path, headers={"If-None-Match": tag})

        assert response.status_code == 200
        assert response.json["version"] == 2

    def test_head_is_304_too(self, api: Api, path: str) -> None:
        assert api.request("HEAD", path, headers={"If-None-Match": '"2.0"'}).status_code == 304

    def test_a_put_that_may_only_create_is_412_where_there_is_one(self, api: Api, path: str) -> None:
        response = api.put(KEY, {"given_name": "Wu"}, headers={"If-None-Match": "*"})

        assert response.status_code == 412
        assert api.get(path).json["given_name"] == "Li"

    def test_a_put_that_may_only_create_creates_where_there_is_none(self, api: Api) -> None:
        assert api.put(KEY, {}, headers={"If-None-Match": "*"}).status_code == 201

    def test_what_has_no_version_has_no_tag(self, api: Api) -> None:
        for address in ("/v1/customers", "/v1/tokens", "/v1/tokens/self"):
            response = api.get(address, headers={"If-None-Match": "*"})

            assert response.status_code == 200
            assert "ETag" not in response.headers
