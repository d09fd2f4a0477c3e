"""Protects the promise that what is within the limits can be stored: every field at its longest, in characters of four bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from app.core import limits
from tests.builders import customer
from tests.client import Api, pointers


def cjk(length: int, start: int = 0) -> str:
    """Different characters of CJK extension B, four bytes each in UTF-8."""
    return "".join(chr(0x20000 + start + number) for number in range(length))


def emoji(length: int, start: int = 0) -> str:
    return "".join(chr(0x1F300 + (start + number) % 600) for number in range(length))


def longest(text: Callable[..., str]) -> dict[str, object]:
    """Every field as long as it may be, all of `text` where any text may stand."""
    address: dict[str, object] = {"country": "CN", "primary": False}
    address |= dict.fromkeys(("line1", "line2", "city", "region"), text(limits.ADDRESS_LINE_MAX))
    address |= dict.fromkeys(("label", "postal_code"), text(limits.SHORT_TEXT_MAX))
    domain = ".".join(["d" * 60] * 3) + ".example"
    return {
        **{
            name: text(limits.NAME_MAX, 300 * number)
            for number, name in enumerate(("display_name", "given_name", "family_name", "organization_name", "owner"))
        },
        "email": "a" * (limits.EMAIL_MAX - len(domain) - 1) + "@" + domain,
        "phone": "+8613812345678",
        "alternate_emails": [f"{number:02}{'a' * 52}@{domain}" for number in range(limits.ALTERNATES_MAX)],
        "alternate_phones": [f"+8613812345{number:03}" for number in range(limits.ALTERNATES_MAX)],
        "gender": text(limits.SHORT_TEXT_MAX),
        "locale": "en-" + "-".join(f"variant{number}" for number in range(6)),
        "time_zone": "America/Argentina/ComodRivadavia",
        "country": "CN",
        "addresses": [address] * limits.ADDRESSES_MAX,
        "tags": [text(limits.TAG_MAX - 3) + f"{number:03}" for number in range(limits.TAGS_MAX)],
        "lifecycle_stage": "s" * limits.SHORT_TEXT_MAX,
        "source": "s" * limits.SOURCE_MAX,
        "external_ids": {f"{number:03}{'s' * 61}": text(limits.EXTERNAL_ID_MAX) for number in range(limits.EXTERNAL_IDS_MAX)},
        "attributes": {f"a{number:03}{'n' * 60}": text(500) for number in range(limits.ATTRIBUTES_MAX)},
    }


class TestLongest:
    @pytest.mark.parametrize("text", [cjk, emoji])
    def test_a_customer_of_nothing_but_longest_fields_is_stored_found_and_changed(self, api: Api, text: Callable[..., str]) -> None:
        sent = longest(text)
        source, external_id = f"007{'s' * 61}", text(limits.EXTERNAL_ID_MAX)

        made = customer(api, **sent)

        assert {name: made[name] for name in sent} == sent
        assert api.get(f"/v1/customers/{made['id']}").json == made
        name = str(made["display_name"])
        for query in (
            {"q": name[100:200]},
            {"q": name[-2:]},
            {"tag": made["tags"][99]},
            {"owner": made["owner"]},
            {"email": made["email"]},
            {"external_id": f"{source}:{external_id}"},
        ):
            assert api.get("/v1/customers", query_string=query).json["data"] == [made], list(query)
        assert api.get(f"/v1/customers/by/{source}/{quote(external_id, safe='')}").json == made
        assert api.patch(f"/v1/customers/{made['id']}", {"given_name": text(limits.NAME_MAX, 7)}).json["version"] == 2

    def test_what_is_one_longer_is_refused_with_its_place(self, api: Api) -> None:
        names = ("display_name", "given_name", "family_name", "organization_name", "owner")
        sent = {
            **{name: cjk(limits.NAME_MAX + 1) for name in names},
            "gender": emoji(limits.SHORT_TEXT_MAX + 1),
            "tags": [emoji(limits.TAG_MAX + 1)],
            "external_ids": {"shop": emoji(limits.EXTERNAL_ID_MAX + 1)},
            "addresses": [{"city": cjk(limits.ADDRESS_LINE_MAX + 1)}],
            "attributes": {"a": cjk(limits.ATTRIBUTE_TEXT_MAX + 1)},
        }

        response = api.post("/v1/customers", sent)

        places = [f"/{name}" for name in (*names, "gender", "tags/0", "external_ids/shop", "addresses/0/city", "attributes/a")]
        assert pointers(response) == dict.fromkeys(places, "too_long")

    def test_a_length_is_counted_in_code_points_after_nfc(self, api: Api) -> None:
        made = customer(api, given_name="e\u0301" * limits.NAME_MAX)

        assert made["given_name"] == "é" * limits.NAME_MAX

    def test_all_attributes_together_have_an_end(self, api: Api) -> None:
        made = customer(api)
        for number in range(4):
            big = {f"a{number}_{item}": [cjk(4000)] * 5 for item in range(3)}
            response = api.patch(f"/v1/customers/{made['id']}", {"attributes": big})
            assert response.status_code == 200

        response = api.patch(f"/v1/customers/{made['id']}", {"attributes": {f"b{item}": [cjk(4000)] * 5 for item in range(3)}})

        assert pointers(response) == {"/attributes": "too_long"}


class TestHostile:
    def test_texts_that_unfold_are_searched_without_harm(self, api: Api) -> None:
        # U+FDFA becomes 18 characters in NFKC, the most of all.
        names = ("display_name", "given_name", "family_name", "organization_name")
        began = time.monotonic()

        made = customer(api, **dict.fromkeys(names, "\ufdfa" * limits.NAME_MAX))

        assert time.monotonic() - began < 1
        assert api.get("/v1/customers", query_string={"q": "الله"}).json["data"] == [made]
