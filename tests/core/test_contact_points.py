"""Protects that e-mail addresses and phone numbers have one stored form, whichever path they took to it."""

import time

import email_validator
import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.core import contact_points
from app.core.contact_points import email_key, normalise_email, normalise_phone
from app.core.faults import Fault

_LIBRARY_SPECIAL_USE = list(email_validator.SPECIAL_USE_DOMAIN_NAMES)
_CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def _email_or_code(value: str) -> str:
    try:
        return normalise_email(value)
    except Fault as fault:
        return fault.code


def _phone_or_code(value: str, region: str | None = None) -> str:
    try:
        return normalise_phone(value, region=region)
    except Fault as fault:
        return fault.code


def _library_email_or_code(value: str) -> str:
    try:
        return contact_points._email_by_library(value)
    except Fault as fault:
        return fault.code


def _library_phone_or_code(value: str, region: str | None = None) -> str:
    try:
        return contact_points._phone_by_library(value.strip(), region)
    except Fault as fault:
        return fault.code


_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@st.composite
def _spellings(draw: st.DrawFn, region: str) -> str:
    """What might stand for a number of `region` in a file: an example or any digits, a prefix too many, one digit wrong, separators."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    kinds = range(phonenumbers.PhoneNumberType.VOICEMAIL + 1)
    examples = [number for kind in kinds if (number := phonenumbers.example_number_for_type(region, kind)) is not None]
    written = draw(
        st.one_of(
            st.builds(phonenumbers.format_number, st.sampled_from(examples), st.sampled_from(range(4))),
            st.text("0123456789", min_size=1, max_size=16),
        )
    )
    abroad = draw(st.sampled_from(_CALLING_CODES))
    home = metadata.country_code
    prefixes = [
        "",
        "",
        "+",
        "0",
        "00",
        "1",
        "8",
        f"{home}",
        f"+{home}",
        f"+{home}{metadata.national_prefix or 0}",
        f"00{home}",
        f"+{abroad}",
        f"00{abroad}",
        f"011{abroad}",
        f"810{home}0",
    ]
    written = draw(st.sampled_from([*prefixes, metadata.national_prefix or ""])) + written
    place = draw(st.integers(0, len(written)))
    written = written[:place] + draw(st.sampled_from(["", "", "", "0", "1", " ", "-", ".", ")", "(", "/", "+"])) + written[place:]
    return written if draw(st.booleans()) else "".join(char for char in written if char not in " -.()/")


class TestEmail:
    @pytest.mark.parametrize(
        ("written", "stored"),
        [
            ("Li.Wei@Example.COM", "Li.Wei@example.com"),
            ("Info@Example.com", "Info@example.com"),
            ("  li@example.com\r\n", "li@example.com"),
            ("\u200bli\u200e@exam\u00adple.com\ufeff", "li@example.com"),
            ("a+b_c'd@sub.example.co", "a+b_c'd@sub.example.co"),
            ("李@例子.中国", "李@xn--fsqu00a.xn--fiqs8s"),
            ("li@XN--FSQU00A.xn--fiqs8s", "li@xn--fsqu00a.xn--fiqs8s"),
            ("li@例子。中国", "li@xn--fsqu00a.xn--fiqs8s"),
            ("li@straße.de", "li@xn--strae-oqa.de"),
            ("Zoe\u0308@example.com", "Zoë@example.com"),
        ],
    )
    def test_an_address_has_one_stored_form(self, written: str, stored: str) -> None:
        normalised = normalise_email(written)

        assert normalised == stored
        assert normalise_email(normalised) == stored

    @pytest.mark.parametrize(
        "domain",
        [
            "shop.test",
            "x.local",
            "a.b.localhost",
            "c.invalid",
            "d.onion",
            "1.in-addr.arpa",
            "MAIL.Test",
            "ｍ.ｔｅｓｔ",
            "例子.test",
        ],
    )
    def test_special_use_domains_are_accepted(self, domain: str) -> None:
        normalised = normalise_email(f"li@{domain}")

        assert normalised.isascii()
        assert normalised.rpartition(".")[2] in _LIBRARY_SPECIAL_USE
        assert normalise_email(normalised) == normalised

    def test_the_library_keeps_its_list_of_special_use_domains(self) -> None:
        normalise_email("李@shop.test")

        assert _LIBRARY_SPECIAL_USE == email_validator.SPECIAL_USE_DOMAIN_NAMES

    @pytest.mark.parametrize(
        "written",
        [
            "",
            "li",
            "@example.com",
            "li@",
            "li@@example.com",
            "li@gmail",
            "li@.com",
            "li@example..com",
            "li@example.com.",
            ".li@example.com",
            "li.@example.com",
            "l..i@example.com",
            "l i@example.com",
            "li@exa mple.com",
            "li@-a.com",
            "li@a-.com",
            "li@ab--c.com",
            "li@1.2.3.4",
            '"li"@example.com',
            "li@[127.0.0.1]",
            "Li <li@example.com>",
            "li@example.com,wei@example.com",
            "l\x00i@example.com",
            "li@exa\x00mple.com",
            "l\ud800i@example.com",
            "li@\ud800.com",
            "li@xn--a.com",
            "li＠example.com",
            "li@" + "a" * 64 + ".com",
            "a" * 243 + "@example.com",
            "\u0301li@example.com",
            "li\n@example.com",
        ],
    )
    def test_no_address_is_refused(self, written: str) -> None:
        outcome = _email_or_code(written)

        assert outcome == "invalid_email"

    def test_the_longest_address_is_accepted(self) -> None:
        longest = "a" * 242 + "@example.com"

        normalised = normalise_email(f" {longest} ")

        assert len(normalised) == 254

    def test_a_refusal_can_be_written_as_utf_8(self) -> None:
        with pytest.raises(Fault) as caught:
            normalise_email("l\ud800i@exam\udfffple.com")

        assert caught.value.detail.encode()

    @pytest.mark.parametrize(
        "hostile",
        [
            "a" * 50_000,
            "a." * 25_000,
            "@" * 50_000,
            "a@" + "a." * 25_000,
            "a@" + "a-" * 25_000,
            "\u200b" * 50_000,
            "a" * 900 + "\u0301" * 100,
            "a@" + "a-" * 126,
            "a@" + "\u0660" * 250 + ".com",
            '"' * 250 + "@a.com",
        ],
    )
    def test_hostile_text_costs_under_fifty_milliseconds(self, hostile: str) -> None:
        times = []
        for _ in range(3):
            start = time.thread_time()
            _email_or_code(hostile)
            times.append(time.thread_time() - start)

        assert min(times) < 0.050

    @given(
        st.one_of(
            st.emails(),
            st.from_regex(r"[a-zA-Z0-9.+\-_'`{ ]{1,8}@[a-zA-Z0-9.\-]{1,10}\.[a-zA-Z0-9\-]{1,5}", fullmatch=True),
            st.from_regex(r"[!-~]{1,8}@[xXnN0a.\-]{1,10}\.(com|test|local|xn--p1ai|c0)", fullmatch=True),
            st.builds("{}@{}.{}".format, st.just("a"), st.text("a-", min_size=60, max_size=66), st.text("a0-", min_size=1, max_size=66)),
        )
    )
    @example("a@" + "a" * 63 + ".com")
    @example("a@" + ".".join(["a" * 63] * 3) + "." + "a" * 58 + ".a")
    @example("a" * 242 + "@example.com")
    @example("a" * 243 + "@example.com")
    @example("a@ab--cd.com")
    @example("a@a.bc--d")
    @example("a@xn--a.com")
    def test_the_fast_path_answers_as_the_library(self, address: str) -> None:
        text = address.strip()

        fast = _email_or_code(text)

        assert fast == _library_email_or_code(text)

    @pytest.mark.parametrize(("one", "other"), [("Li@example.com", "lI@example.com"), ("ÅSA@example.com", "åsa@example.com")])
    def test_addresses_are_compared_without_case(self, one: str, other: str) -> None:
        keys = {email_key(normalise_email(one)), email_key(normalise_email(other))}

        assert len(keys) == 1

    def test_domains_that_differ_only_by_folding_are_not_the_same(self) -> None:
        keys = {email_key(normalise_email("li@straße.de")), email_key(normalise_email("li@strasse.de"))}

        assert len(keys) == 2


class TestPhone:
    @pytest.mark.parametrize(
        ("written", "region", "stored"),
        [
            ("+8613812345678", None, "+8613812345678"),
            ("138-1234 5678", "CN", "+8613812345678"),
            ("+86 138 1234 5678", "DE", "+8613812345678"),
            ("\u202a+86 138\u200b12345678\u202c", None, "+8613812345678"),
            ("＋８６　１３８ １２３４ ５６７８", None, "+8613812345678"),
            ("008613812345678", "CN", "+8613812345678"),
            ("(010) 6552-9988", "CN", "+861065529988"),
            ("+44 (0)20 7946 0958", None, "+442079460958"),
            ("tel:+1-650-253-0000", None, "+16502530000"),
            ("06 12\u202f34 56 78", "FR", "+33612345678"),
            ("+39 06 6982", None, "+39066982"),
            ("650 253 0000", "us", "+16502530000"),
        ],
    )
    def test_a_number_is_stored_as_e164(self, written: str, region: str | None, stored: str) -> None:
        normalised = normalise_phone(written, region=region)

        assert normalised == stored
        assert normalise_phone(normalised, region=region) == stored

    @pytest.mark.parametrize(
        "written",
        [
            "",
            "+",
            "abc",
            "12",
            "+1",
            "+99912345678",
            "+0138123456",
            "+8613812345678 Mum",
            "Li 13812345678",
            "1-800-FLOWERS",
            "+86138123456789012",
            "138\x0012345678",
            "138\ud80012345678",
            "*#06#13812345678",
            "2530000000000000000",
            "+20 00 0626852898",
        ],
    )
    def test_no_number_is_refused(self, written: str) -> None:
        outcome = _phone_or_code(written, "US")

        assert outcome == "invalid_phone"

    @pytest.mark.parametrize("region", [None, "AQ", "XX", ""])
    def test_a_number_without_prefix_needs_a_region_with_a_numbering_plan(self, region: str | None) -> None:
        outcome = _phone_or_code("138 1234 5678", region)

        assert outcome == "phone_region_unknown"

    @pytest.mark.parametrize(
        "written",
        ["+1 650 253 0000 ext. 12", "+16502530000x12", "+16502530000;ext=12", "+16502530000#12", "tel:+1-650-253-0000;ext=7"],
    )
    def test_an_extension_is_refused_rather_than_lost(self, written: str) -> None:
        outcome = _phone_or_code(written)

        assert outcome == "phone_extension"

    def test_a_national_number_without_its_area_code_is_refused(self) -> None:
        outcome = _phone_or_code("253 0000", "US")

        assert outcome == "invalid_phone"

    @pytest.mark.parametrize(
        "hostile",
        [
            "1" * 50_000,
            "+" * 50_000,
            "+1" + " " * 50_000,
            "(" * 64,
            "1 " * 32,
            "+1" + "-" * 62,
            "\u200b" * 50_000,
            "tel:" * 16,
            ";ext=1" * 10,
        ],
    )
    def test_hostile_text_costs_under_fifty_milliseconds(self, hostile: str) -> None:
        times = []
        for _ in range(3):
            start = time.thread_time()
            _phone_or_code(hostile, "US")
            times.append(time.thread_time() - start)

        assert min(times) < 0.050

    @pytest.mark.parametrize("code", _CALLING_CODES)
    def test_the_fast_path_answers_as_the_library_for_every_calling_code(self, code: int) -> None:
        heads = ["0", "00", "1", "11", "15", "2", "44", "55", "7", "8", "80", "9", "90", "999"]
        numbers = [f"+{code}{(head + '1234567890123456')[:size]}" for head in heads for size in range(3, 17)]

        fast = [_phone_or_code(number) for number in numbers]

        assert fast == [_library_phone_or_code(number) for number in numbers]

    @given(st.sampled_from(_CALLING_CODES), st.text("0123456789", min_size=2, max_size=17))
    def test_the_fast_path_answers_as_the_library_for_any_digits(self, code: int, digits: str) -> None:
        number = f"+{code}{digits}"

        fast = _phone_or_code(number)

        assert fast == _library_phone_or_code(number)
        assert fast in {"invalid_phone", _phone_or_code(fast)}

    @pytest.mark.parametrize(
        ("written", "region"),
        [
            ("+86 138-1234-5678", None),
            ("138 1234 5678", "CN"),
            ("0086 138 1234 5678", "CN"),
            ("86 138 1234 5678", "CN"),
            ("(010) 6552-9988", "CN"),
            ("(212) 555-0123", "US"),
            ("212.555.0123", "us"),
            ("1-212-555-0123", "US"),
            ("011 44 20 7946 0018", "US"),
            ("020 7946 0018", "GB"),
            ("+44 20 7946 0018", None),
            ("(+44) 20/7946 0018", "US"),
            ("06 12 34 56 78", "FR"),
            ("8 912 345-67-89", "RU"),
            ("7 912 345-67-89", "RU"),
            ("06 6982", "IT"),
            ("+54 9 11 2345-6789", None),
            ("+44 (0)20 7946 0958", None),
            ("+49 (0) 30 12345678", "FR"),
            ("0049 (0)30 12345678", "GB"),
            ("(11) 96123-4567", "BR"),
        ],
    )
    def test_common_spellings_need_no_library_and_are_read_as_by_it(self, written: str, region: str | None) -> None:
        fast = contact_points._phone_at_once(written, region)

        assert fast == _library_phone_or_code(written, region)
        assert fast is not None

    @pytest.mark.parametrize(
        ("written", "region"),
        [
            # A carrier's code, a mobile number that is rewritten, a call from nowhere.
            ("0 15 11 96123-4567", "BR"),
            ("011 15-2345-6789", "AR"),
            ("00 0 86 138 1234 5678", "CN"),
            ("00044 20 7946 0018", "GB"),
            ("00", "GB"),
            ("", "GB"),
            # Without their area codes.
            ("253 0000", "US"),
            ("7946 0018", "GB"),
            ("1 253 0000", "US"),
            ("011 1 253 0000", "US"),
        ],
    )
    def test_what_only_the_library_can_tell_is_left_to_it(self, written: str, region: str | None) -> None:
        fast = contact_points._phone_at_once(written, region)

        assert fast is None

    @pytest.mark.parametrize("region", _REGIONS)
    def test_both_paths_read_a_short_or_long_number_alike(self, region: str) -> None:
        number = str(phonenumbers.example_number(region).national_number)
        heads = ["", "0", "1", "8", "00", number[:3], str(phonenumbers.country_code_for_region(region))]
        written = [(head + number + "12345678")[:size] for head in heads for size in range(2, 17)]

        fast = [_phone_or_code(text, region) for text in written]

        assert fast == [_library_phone_or_code(text, region) for text in written]

    @settings(max_examples=500, deadline=None)
    @given(st.data())
    def test_both_paths_read_any_spelling_alike(self, data: st.DataObject) -> None:
        region = data.draw(st.sampled_from(_REGIONS))
        written = data.draw(_spellings(region))

        fast = _phone_or_code(written, region)

        assert fast == _library_phone_or_code(written, region)

    @pytest.mark.parametrize("region", _REGIONS)
    def test_the_example_number_of_every_country_is_read_in_every_format(self, region: str) -> None:
        number = phonenumbers.example_number(region)
        formats = [phonenumbers.format_number(number, form) for form in (0, 1, 2, 3)]

        normalised = {normalise_phone(text, region=region) for text in formats}

        assert normalised == {formats[0]}
