"""Protects the way in of an interaction: what is kept, what is refused, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.builders import customer, entry, events, whole_entry
from tests.client import Api, pointers, problem

NOBODY = "01890000-0000-7000-8000-000000000000"


class TestPost:
    def test_every_field_is_kept_and_answered(self, api: Api) -> None:
        owner = customer(api)
        sent = whole_entry()

        response = api.post(f"/v1/customers/{owner['id']}/contact-history", sent)

        made = response.json
        assert response.status_code == 201
        assert response.headers["Location"] == f"/v1/contact-history/{made['id']}"
        assert response.headers["ETag"] == '"1"'
        assert response.headers["Kehu-Position"]
        assert made == sent | {
            "id": made["id"],
            "customer_id": owner["id"],
            "version": 1,
            "created_at": made["created_at"],
            "updated_at": made["created_at"],
            "deleted_at": None,
        }
        assert api.get(response.headers["Location"]).json == made
        assert events(api.app) == ["customer.created", "contact_history.created", "customer.metrics_changed"]

    def test_a_kind_is_enough_and_the_rest_is_null(self, api: Api) -> None:
        owner = customer(api)

        made = api.post(f"/v1/customers/{owner['id']}/contact-history", {"kind": "visit"}).json

        said = {"kind": "visit", "attributes": {}, "occurred_at": made["created_at"]}
        assert {name: made[name] for name in whole_entry()} == dict.fromkeys(whole_entry()) | said

    def test_equal_interactions_are_two(self, api: Api) -> None:
        owner = customer(api)
        sent = whole_entry(external_id=None)

        first, second = entry(api, owner["id"], **sent), entry(api, owner["id"], **sent)

        assert first["id"] != second["id"]
        assert api.get(f"/v1/customers/{owner['id']}").json["metrics"]["order_total"] == {"CNY": "2561.00"}

    def test_an_external_id_that_is_taken_is_409_with_its_holder(self, api: Api) -> None:
        owner, other = customer(api), customer(api)
        holder = entry(api, owner["id"], source="shop", external_id="1")

        response = api.post(f"/v1/customers/{other['id']}/contact-history", {"kind": "order", "source": "shop", "external_id": "1"})

        assert response.status_code == 409
        assert problem(response)["code"] == "external_id_taken"
        assert problem(response)["existing_id"] == holder["id"]
        assert api.get(f"/v1/customers/{other['id']}/contact-history").json["data"] == []

    def test_an_unknown_customer_is_404(self, api: Api) -> None:
        assert api.post(f"/v1/customers/{NOBODY}/contact-history", {"kind": "call"}).status_code == 404

    def test_a_deleted_customer_is_410(self, api: Api) -> None:
        owner = customer(api)
        api.delete(f"/v1/customers/{owner['id']}")

        response = api.post(f"/v1/customers/{owner['id']}/contact-history", {"kind": "call"})

        assert response.status_code == 410
        assert problem(response)["code"] == "customer_deleted"
        assert problem(response)["existing_id"] == owner["id"]

    def test_the_same_key_makes_one(self, api: Api) -> None:
        owner = customer(api)
        path = f"/v1/customers/{owner['id']}/contact-history"

        first = api.post(path, {"kind": "call"}, headers={"Idempotency-Key": "k"})
        again = api.post(path, {"kind": "call"}, headers={"Idempotency-Key": "k"})

        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json == first.json
        assert api.get(f"/v1/customers/{owner['id']}").json["metrics"]["contact_count"] == 1


class TestValues:
    @pytest.mark.parametrize(
        ("fields", "pointer", "code"),
        [
            ({"kind": None}, "/kind", "null"),
            ({"kind": ""}, "/kind", "empty"),
            ({"kind": "Call me"}, "/kind", "wrong_shape"),
            ({"channel": "Phone"}, "/channel", "wrong_shape"),
            ({"direction": "in"}, "/direction", "not_a_choice"),
            ({"subject": "a\nb"}, "/subject", "control_character"),
            ({"subject": "x" * 999}, "/subject", "too_long"),
            ({"body": "a\x00b"}, "/body", "control_character"),
            ({"body": "\u202eab"}, "/body", "bidi_control"),
            ({"body": "x" * 65_537}, "/body", "too_long"),
            ({"occurred_at": None}, "/occurred_at", "null"),
            ({"occurred_at": "2024-02-30T00:00:00Z"}, "/occurred_at", "invalid_timestamp"),
            ({"occurred_at": "2024-02-03T00:00:00"}, "/occurred_at", "timestamp_without_zone"),
            ({"occurred_at": "infinity"}, "/occurred_at", "invalid_timestamp"),
            ({"duration_seconds": -1}, "/duration_seconds", "out_of_range"),
            ({"duration_seconds": 2**31}, "/duration_seconds", "out_of_range"),
            ({"duration_seconds": "90"}, "/duration_seconds", "wrong_type"),
            ({"amount": 12.5, "currency": "EUR"}, "/amount", "wrong_type"),
            ({"amount": "1e5", "currency": "EUR"}, "/amount", "invalid_amount"),
            ({"amount": "NaN", "currency": "EUR"}, "/amount", "invalid_amount"),
            ({"amount": "１", "currency": "EUR"}, "/amount", "invalid_amount"),
            ({"amount": "1" * 16, "currency": "EUR"}, "/amount", "invalid_amount"),
            ({"amount": "0.0000001", "currency": "EUR"}, "/amount", "invalid_amount"),
            ({"amount": "1" * 50_000, "currency": "EUR"}, "/amount", "invalid_amount"),
            ({"amount": "1.00"}, "/currency", "currency_missing"),
            ({"currency": "RMB"}, "/currency", "unknown_currency"),
            ({"currency": "ſEK"}, "/currency", "unknown_currency"),
            ({"external_id": "1"}, "/source", "source_missing"),
            ({"external_id": 1, "source": "shop"}, "/external_id", "wrong_type"),
            ({"source": "Shop"}, "/source", "invalid_source"),
            ({"attributes": {"a b": 1}}, "/attributes/a b", "invalid_name"),
            ({"customer_id": NOBODY}, "/customer_id", "unknown_field"),
            ({"subjekt": "x"}, "/subjekt", "unknown_field"),
            ({"id": NOBODY}, "/id", "unknown_field"),
            ({"version": 7}, "/version", "unknown_field"),
        ],
    )
    def test_what_cannot_be_kept_is_422(self, api: Api, fields: dict[str, Any], pointer: str, code: str) -> None:
        owner = customer(api)

        response = api.post(f"/v1/customers/{owner['id']}/contact-history", {"kind": "order"} | fields)

        assert pointers(response) == {pointer: code}
        assert events(api.app) == ["customer.created"]

    @pytest.mark.parametrize(
        ("sent", "currency", "kept"),
        [
            ("12.5", "CNY", "12.50"),
            ("12.500000", "eur", "12.50"),
            ("12.505", "EUR", "12.505"),
            ("0012", "EUR", "12.00"),
            ("1200.0", "JPY", "1200"),
            ("0.5", "JPY", "0.5"),
            ("1", "KWD", "1.000"),
            ("-0.00", "EUR", "0.00"),
            ("-3", "EUR", "-3.00"),
            ("999999999999999.999999", "EUR", "999999999999999.999999"),
        ],
    )
    def test_an_amount_is_written_as_its_currency_is(self, api: Api, sent: str, currency: str, kept: str) -> None:
        made = entry(api, customer(api)["id"], amount=sent, currency=currency)

        assert (made["amount"], made["currency"]) == (kept, currency.upper())
        assert api.get(f"/v1/contact-history/{made['id']}").json == made

    def test_text_of_any_script_is_kept_in_nfc(self, api: Api) -> None:
        made = entry(api, customer(api)["id"], subject="e\u0301 👩‍👩‍👧 𠮷野家", body="客户说:\r\n\t好")

        assert (made["subject"], made["body"]) == ("é 👩‍👩‍👧 𠮷野家", "客户说:\r\n\t好")


class TestTime:
    def test_what_lies_more_than_a_day_ahead_is_422(self, api: Api) -> None:
        owner = customer(api)
        ahead = datetime.now(UTC) + timedelta(hours=24, minutes=1)

        response = api.post(f"/v1/customers/{owner['id']}/contact-history", {"kind": "meeting", "occurred_at": ahead.isoformat()})

        assert pointers(response) == {"/occurred_at": "occurred_in_future"}
        assert problem(response)["code"] == "occurred_in_future"

    def test_what_lies_less_than_a_day_ahead_is_taken(self, api: Api) -> None:
        # Clocks of shops go wrong, and so do their time zones.
        ahead = datetime.now(UTC) + timedelta(hours=23, minutes=59)

        made = entry(api, customer(api)["id"], occurred_at=ahead.isoformat())

        assert datetime.fromisoformat(made["occurred_at"]) == ahead

    def test_any_moment_of_the_past_is_taken_with_its_offset_converted(self, api: Api) -> None:
        owner = customer(api)["id"]

        assert entry(api, owner, occurred_at="1999-12-31T23:00:00-05:00")["occurred_at"] == "2000-01-01T04:00:00Z"
        assert entry(api, owner, occurred_at="0001-01-01T00:00:00Z")["occurred_at"] == "0001-01-01T00:00:00Z"


class TestAccess:
    def test_without_a_token_it_is_401(self, api: Api) -> None:
        owner = customer(api)

        assert api.anonymous().post(f"/v1/customers/{owner['id']}/contact-history", {"kind": "call"}).status_code == 401

    @pytest.mark.parametrize("scopes", [("history:read",), ("customers:write", "customers:read")])
    def test_without_the_scope_it_is_403(self, api: Api, scopes: tuple[str, ...]) -> None:
        owner = customer(api)

        response = api.with_scopes(*scopes).post(f"/v1/customers/{owner['id']}/contact-history", {"kind": "call"})

        assert response.status_code == 403
        assert problem(response)["scope"] == "history:write"
