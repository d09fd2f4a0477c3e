"""Protects that a customer is found by any part of a word, one and two Chinese characters included."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.faults import Fault
from app.core.search import SearchQuery, parse_query, search_grams, search_text

_ANY = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


def _finds(query: SearchQuery, text: str) -> bool:
    """What PostgreSQL does with the two: array containment, and LIKE with a backslash as the escape character."""
    grams = set(search_grams(text))
    return grams.issuperset(query.grams) and all(_like(text, pattern) for pattern in query.patterns)


def _like(text: str, pattern: str) -> bool:
    assert pattern[0] == pattern[-1] == "%"
    plain = []
    escaped = False
    for char in pattern[1:-1]:
        assert escaped or char not in "%_"
        escaped = char == "\\" and not escaped
        if not escaped:
            plain.append(char)
    return "".join(plain) in text


def test_text_is_folded_and_each_word_kept_once() -> None:
    parts = ["Ｌｉ　Ｗei", None, "", "STRASSE Straße", "LI"]

    text = search_text(parts)

    assert text == "li wei strasse"


def test_grams_are_bigrams_of_words_and_single_cjk_characters() -> None:
    text = "li 李小明"

    grams = search_grams(text)

    assert grams == ["李", "小", "明", "li", "李小", "小明"]


@pytest.mark.parametrize("char", ["李", "\u3400", "\U00020bb7", "\U000323af", "\ufa0e", "〇", "々", "あ", "ア", "한", "ㄅ"])
def test_one_cjk_character_finds(char: str) -> None:
    text = search_text([f"x{char}y"])

    query = parse_query(char)

    assert query.grams == [char]
    assert _finds(query, text)


def test_every_word_of_a_query_must_be_found() -> None:
    text = search_text(["李小明", "Acme Trading"])

    both, one_only = parse_query("小明 trad"), parse_query("小明 bank")

    assert _finds(both, text)
    assert not _finds(one_only, text)


def test_wildcards_are_text() -> None:
    query = parse_query(r"100%_a\b")

    assert query.patterns == [r"%100\%\_a\\b%"]
    assert _finds(query, search_text([r"x100%_a\by"]))
    assert not _finds(query, search_text(["x1000 a b"]))


@pytest.mark.parametrize("q", ["", "a", "é", "a b", "%", "7", "+"])
def test_a_query_without_a_gram_is_too_short(q: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_query(q)

    assert caught.value.code == "query_too_short"


def test_one_short_word_beside_a_longer_one_still_counts() -> None:
    query = parse_query("wei a")

    assert query == SearchQuery(grams=["ei", "we"], patterns=["%wei%", "%a%"])


@pytest.mark.parametrize(
    ("q", "code"), [("a\x00b", "control_character"), ("a\ud800", "lone_surrogate"), ("ab" * 200, "too_long"), ("  ", "invisible")]
)
def test_a_query_is_text_like_any_other(q: str, code: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_query(q)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "q", ["138-1234 5678", "+86 138 1234 5678", "(138) 1234.5678", "１３８ 1234", "138/1234", "013812345678", "0086 13812345678"]
)
def test_a_phone_number_is_found_however_it_is_written(q: str) -> None:
    text = search_text(["Li Wei", "+8613812345678"])

    query = parse_query(q)

    assert len(query.patterns) == 1
    assert _finds(query, text)


def test_a_short_number_keeps_its_zeros() -> None:
    query = parse_query("007")

    assert query.patterns == ["%007%"]


def test_two_digits_are_a_word() -> None:
    query = parse_query("1-2")

    assert query.patterns == ["%1-2%"]


@given(st.lists(_ANY, min_size=1, max_size=4), st.data())
def test_every_part_of_a_folded_word_finds_its_text(parts: list[str], data: st.DataObject) -> None:
    text = search_text(parts)
    word = data.draw(st.sampled_from(text.split() or [""]))
    assume(len(word) >= 2)
    start = data.draw(st.integers(0, len(word) - 2))
    part = word[start : data.draw(st.integers(start + 2, len(word)))]
    assume(not set(part) <= set("0123456789+-()./"))

    try:
        query = parse_query(part)
    except Fault as fault:
        # A part that may not be text at all: of invisible characters, or with a bidi control.
        assert fault.code in {"invisible", "bidi_control", "control_character", "too_many_marks"}
        return

    assert _finds(query, text)


@given(st.text("aZé李小\U00020bb7한ああ0 _%\\-", min_size=2, max_size=30), st.data())
def test_every_part_of_a_plain_word_as_typed_finds_its_text(original: str, data: st.DataObject) -> None:
    text = search_text([original])
    word = data.draw(st.sampled_from(original.split() or [""]))
    assume(len(word) >= 2)
    start = data.draw(st.integers(0, len(word) - 2))
    part = word[start : data.draw(st.integers(start + 2, len(word)))]
    assume(not set(part) <= set("0-"))

    query = parse_query(part.upper())

    assert _finds(query, text)


@given(_ANY)
def test_folding_what_is_folded_changes_nothing(original: str) -> None:
    text = search_text([original])

    again = search_text([text])

    assert again == text


@given(st.lists(_ANY, max_size=5))
def test_grams_are_the_neighbours_within_each_word_and_single_cjk_characters(parts: list[str]) -> None:
    text = search_text(parts)
    pairs = {word[at : at + 2] for word in text.split() for at in range(len(word) - 1)}

    grams = search_grams(text)

    assert len(grams) == len(set(grams))
    assert {gram for gram in grams if len(gram) > 1} == pairs
    assert all(gram in text for gram in grams)
