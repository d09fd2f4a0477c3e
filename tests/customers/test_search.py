"""Protects `q`: customers are found by parts of names, e-mails, phones and organisations, in any script, and by nothing else."""

from __future__ import annotations

import pytest

from tests.builders import customer
from tests.client import Api, pointers

PEOPLE = [
    {"display_name": "欧阳娜娜", "phone": "+8613812345678"},
    {"family_name": "张", "given_name": "伟", "email": "Wei.Zhang+shop@mail.example"},
    {"family_name": "Garc\u00eda M\u00e1rquez", "given_name": "Jos\u00e9", "alternate_phones": ["+442079460958"]},
    {"organization_name": "Stra\u00dfenbau 100% GmbH", "kind": "organization", "alternate_emails": ["bau_amt@office.example"]},
    {"display_name": "ﾔﾏﾀﾞ", "phone": "+81312345678"},
    {"display_name": "김민준"},
    {"given_name": "Anna", "family_name": "O'Neil-Smith", "country": "FI", "phone": "+358401234567"},
]
NAMES = ["娜", "张伟", "José", "Bau", "ヤマダ", "김", "Anna"]


def found(api: Api, q: str) -> list[str]:
    """Who of PEOPLE is found, by NAMES, in the order of PEOPLE."""
    response = api.get("/v1/customers", query_string={"q": q, "sort": "created_at", "fields": "tags"})
    assert response.status_code == 200, response.get_data(as_text=True)
    return [item["tags"][0] for item in response.json["data"]]


@pytest.fixture
def people(api: Api) -> None:
    """Only reads follow, so who is there does not have to be said by each test."""
    for name, person in zip(NAMES, PEOPLE, strict=True):
        customer(api, **{"given_name": None, "family_name": None, "tags": [name], **person})


@pytest.mark.usefixtures("people")
class TestFound:
    def test_each_spelling_finds_whom_it_means(self, api: Api) -> None:
        asked = {
            # One, two and three Chinese characters, anywhere in the name.
            "娜": ["娜"],
            "阳": ["娜"],
            "阳娜": ["娜"],
            "欧阳娜": ["娜"],
            "娜娜": ["娜"],
            "娜欧": [],
            # Family and given name are kept apart and looked for together.
            "张": ["张伟"],
            "伟": ["张伟"],
            "张伟": ["张伟"],
            "伟张": [],
            "张 伟": ["张伟"],
            # Case, accents as written, either form of Unicode.
            "jos": ["José"],
            "JOSÉ": ["José"],
            "jose\u0301": ["José"],
            "josé garcía": ["José"],
            "márquez josé": ["José"],
            "ár osé": ["José"],
            "josé smith": [],
            "STRASSEN": ["Bau"],
            "straße": ["Bau"],
            "o'neil": ["Anna"],
            "neil-sm": ["Anna"],
            # Kana of half and full width, Hangul.
            "ヤマダ": ["ヤマダ"],
            "ﾏﾀﾞ": ["ヤマダ"],
            "ヤ": ["ヤマダ"],
            "민준": ["김"],
            "김": ["김"],
            # Parts of e-mails, plus signs and all.
            "wei.zhang": ["张伟"],
            "zhang+shop": ["张伟"],
            "@mail.ex": ["张伟"],
            "WEI.ZHANG+SHOP@MAIL.EXAMPLE": ["张伟"],
            "amt@office": ["Bau"],
            # Phones, however they are written.
            "13812345678": ["娜"],
            "138 1234 5678": ["娜"],
            "138-1234-5678": ["娜"],
            "+86 138 1234 5678": ["娜"],
            "0086 13812345678": ["娜"],
            "+86（138）12345678": ["娜"],
            "１３８１２３４": ["娜"],
            "5678": ["娜", "ヤマダ"],
            "020 7946 0958": ["José"],
            "(020) 7946-0958": ["José"],
            "7946 0958": ["José"],
            "040 1234567": ["Anna"],
            # Wildcards and quotes are text.
            "100%": ["Bau"],
            "%%": [],
            "__": [],
            "bau_amt": ["Bau"],
            "bau-amt": [],
            "a_n": [],
            "\\\\": [],
            "' or": [],
        }

        answered = {q: found(api, q) for q in asked}

        assert answered == asked

    @pytest.mark.parametrize(("name", "q"), [("a_z z_b acb", "a_b"), ("a%z z%b acccb", "a%b"), ("a\\z z\\b ab", "a\\b")])
    def test_a_wildcard_stands_for_itself_also_where_its_neighbours_are_there(self, api: Api, name: str, q: str) -> None:
        customer(api, display_name=name, tags=["wild"])

        assert found(api, q) == []

    def test_what_is_not_looked_in_finds_nobody(self, api: Api) -> None:
        customer(api, given_name=None, family_name=None, owner="zebra", attributes={"a": "zebra"}, external_ids={"shop": "zebra"})

        assert found(api, "zebra") == []

    def test_the_deleted_are_not_found(self, api: Api) -> None:
        made = api.get("/v1/customers", query_string={"q": "张伟"}).json["data"][0]
        api.delete(f"/v1/customers/{made['id']}")

        assert found(api, "张伟") == []

    def test_another_name_is_found_at_once_and_the_former_no_more(self, api: Api) -> None:
        made = api.get("/v1/customers", query_string={"q": "张伟"}).json["data"][0]

        api.patch(f"/v1/customers/{made['id']}", {"family_name": "李", "email": None})

        assert found(api, "李伟") == ["张伟"]
        assert found(api, "张伟") == []
        assert found(api, "zhang") == []


class TestRefused:
    @pytest.mark.parametrize("q", ["a", "1", "é", "%", "a b", "@", "١"])
    def test_what_no_index_could_find_is_422(self, api: Api, q: str) -> None:
        response = api.get("/v1/customers", query_string={"q": q})

        assert pointers(response) == {"query.q": "query_too_short"}

    @pytest.mark.parametrize(
        ("q", "code"),
        [
            ("x" * 201, "too_long"),
            ("a\x00b", "control_character"),
            ("\u200b\u200b", "invisible"),
            ("   ", "invisible"),
            ("\u202eab", "bidi_control"),
        ],
    )
    def test_what_is_no_text_is_422(self, api: Api, q: str, code: str) -> None:
        response = api.get("/v1/customers", query_string={"q": q})

        assert pointers(response) == {"query.q": code}

    def test_the_longest_query_is_answered(self, api: Api) -> None:
        longest = " ".join(["张伟", "ab", "cd"] * 28)[:200]

        assert api.get("/v1/customers", query_string={"q": longest}).json["data"] == []
