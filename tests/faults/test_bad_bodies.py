"""Protects the service from bodies that are too large, too slow, cut off, or not what they say: refused in time, and not executed."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator

import pytest

from app.config import Config
from tests.client import Api, pointers, problem
from tests.faults.inputs import NOBODY, send, stored
from tests.live import LiveServer
from tests.web.wire import connect, exchange, has_answer, read, request


@pytest.fixture(scope="module")
def impatient(config: Config) -> Iterator[LiveServer]:
    """A server that waits a second for a body."""
    with LiveServer(config, KEHU_BODY_TIMEOUT="1") as server:
        yield server


class TestSize:
    def test_a_body_over_the_limit_is_413_unread(self, api: Api, config: Config) -> None:
        response = send(api, b"{" + b" " * config.max_body_bytes + b"}")

        assert response.status_code == 413
        assert problem(response)["max_bytes"] == config.max_body_bytes

    def test_a_body_at_the_limit_is_read(self, api: Api, config: Config) -> None:
        response = send(api, b"{" + b" " * (config.max_body_bytes - 2) + b"}")

        assert response.status_code == 201

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    def test_a_length_of_ten_to_the_twelve_is_413_at_once(self, live: LiveServer, api: Api, method: str) -> None:
        target = "/v1/customers" if method == "POST" else f"/v1/customers/{NOBODY}"
        sent = request(method, target, "Content-Type: application/json", "Content-Length: 1000000000000", token=api.token, close=False)

        start = time.monotonic()
        reply = exchange(live, sent + b"{")

        assert reply.problem["code"] == "body_too_large"
        assert reply.headers["connection"] == "close"
        assert time.monotonic() - start < 7

    def test_chunks_without_end_are_413_and_the_connection_is_closed(self, live: LiveServer, api: Api) -> None:
        head = request("POST", "/v1/customers", "Content-Type: application/json", "Transfer-Encoding: chunked", token=api.token)
        start = time.monotonic()

        with connect(live, head) as connection:
            connection.settimeout(0.01)
            while not has_answer(connection) and time.monotonic() < start + 10:
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            connection.settimeout(10)
            reply = read(connection)

        assert reply.problem["code"] == "body_too_large"
        assert time.monotonic() - start < 10

    def test_a_large_body_that_is_sent_before_the_answer_is_read_still_gets_its_413(self, live: LiveServer, api: Api) -> None:
        reply = exchange(live, request("POST", "/v1/customers", token=api.token, json=b" " * 8_000_000))

        assert reply.status == 413

    @pytest.mark.parametrize("framing", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
    def test_a_body_that_drips_is_408_when_its_time_is_over(self, impatient: LiveServer, api: Api, framing: str) -> None:
        head = request("POST", "/v1/customers", "Content-Type: application/json", framing, token=api.token)
        start = time.monotonic()

        with connect(impatient, head) as connection:
            connection.settimeout(0.1)
            while not has_answer(connection) and time.monotonic() < start + 10:
                connection.sendall(b"1\r\n \r\n" if "chunked" in framing else b" ")
            connection.settimeout(10)
            reply = read(connection)

        assert reply.problem["code"] == "body_timeout"
        assert 0.9 < time.monotonic() - start < 3

    @pytest.mark.parametrize(
        ("framing", "body"),
        [
            ("Content-Length: 10", b"{}"),
            ("Content-Length: 10", b""),
            ("Transfer-Encoding: chunked", b"2\r\n{}\r\n"),
            ("Transfer-Encoding: chunked", b"5\r\n{}"),
        ],
    )
    def test_a_body_that_breaks_off_is_400_and_not_executed(self, live: LiveServer, api: Api, framing: str, body: bytes) -> None:
        head = request("POST", "/v1/customers", "Content-Type: application/json", framing, token=api.token)

        reply = exchange(live, head + body, half_close=True)

        assert reply.problem["code"] == "bad_request"
        assert stored(api) == 0

    @pytest.mark.parametrize(
        "chunks", [b"ZZ\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n", b"2;a\rb\r\n{}\r\n0\r\n\r\n"]
    )
    def test_chunks_that_are_none_are_400(self, live: LiveServer, api: Api, chunks: bytes) -> None:
        head = request("POST", "/v1/customers", "Content-Type: application/json", "Transfer-Encoding: chunked", token=api.token)

        reply = exchange(live, head + chunks)

        assert reply.problem["code"] == "bad_request"
        assert stored(api) == 0

    @pytest.mark.parametrize(
        "framing",
        [
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Content-Length: 2\r\nContent-Length: 3",
            "Content-Length: -1",
            "Content-Length: +2",
            "Content-Length: 2e0",
            "Content-Length: ²",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: chunked, chunked",
        ],
    )
    def test_a_length_that_can_be_read_in_two_ways_is_400(self, live: LiveServer, api: Api, framing: str) -> None:
        reply = exchange(live, request("POST", "/v1/customers", "Content-Type: application/json", framing, token=api.token) + b"{}")

        assert reply.problem["code"] == "bad_request"
        assert stored(api) == 0

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"])
    def test_a_compressed_body_is_415(self, api: Api, encoding: str) -> None:
        response = send(api, gzip.compress(b"{}"), headers={"Content-Encoding": encoding})

        assert problem(response)["code"] == "unsupported_media_type"

    def test_a_body_where_none_is_taken_is_422(self, api: Api) -> None:
        made = api.post("/v1/customers", {}).json["id"]

        refused = api.delete(f"/v1/customers/{made}", data=b'{"given_name":"Li"}', content_type="application/json")
        empty = api.delete(f"/v1/customers/{made}", data=b"{}", content_type="application/json")

        assert pointers(refused) == {"": "body_not_allowed"}
        assert empty.status_code == 204


class TestContentTypes:
    @pytest.mark.parametrize(
        "content_type",
        [
            *(None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "json"),
            *("application/json; charset=utf-16", "application/json; charset=gbk", "application/vnd.api+json", "application/xml"),
            *("application/merge-patch+json", "application/json-patch+json", "application/", "*/*"),
        ],
    )
    def test_anything_but_json_is_415(self, api: Api, content_type: str | None) -> None:
        response = send(api, b"{}", content_type=content_type)

        assert problem(response)["code"] == "unsupported_media_type"
        assert stored(api) == 0

    @pytest.mark.parametrize(
        "content_type", ["application/json", "Application/JSON", 'application/json;charset="UTF-8"', "application/json; v=1"]
    )
    def test_json_in_utf_8_is_taken_however_it_is_written(self, api: Api, content_type: str) -> None:
        assert send(api, b"{}", content_type=content_type).status_code == 201

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_merge_patch_is_taken_where_the_body_is_one(self, api: Api, method: str) -> None:
        made = api.post("/v1/customers", {"external_ids": {"shop": "1"}}).json["id"]
        path = {"PATCH": f"/v1/customers/{made}", "PUT": "/v1/customers/by/shop/1"}[method]

        response = api.request(method, path, json={"given_name": "Li"}, content_type="application/merge-patch+json")

        assert response.status_code == 200
        assert response.json["given_name"] == "Li"

    def test_a_patch_without_a_type_is_415_and_not_an_empty_one(self, api: Api) -> None:
        made = api.post("/v1/customers", {"given_name": "Li"}).json["id"]

        response = api.request("PATCH", f"/v1/customers/{made}", data=b'{"given_name":"Wu"}')

        assert response.status_code == 415
