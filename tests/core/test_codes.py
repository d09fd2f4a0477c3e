"""Protects that countries, time zones and locales are known by others' lists and written in one way."""

import pytest

from app.core.codes import is_country, is_time_zone, normalise_locale
from app.core.faults import Fault


@pytest.mark.parametrize("code", ["CN", "DE", "US", "TW", "AQ"])
def test_a_country_is_known(code: str) -> None:
    known = is_country(code)

    assert known


@pytest.mark.parametrize("code", ["", "cn", "UK", "EU", "XX", "CHN", "C", "中国"])
def test_no_country_is_not_known(code: str) -> None:
    known = is_country(code)

    assert not known


@pytest.mark.parametrize("name", ["Asia/Shanghai", "Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_known(name: str) -> None:
    known = is_time_zone(name)

    assert known


@pytest.mark.parametrize("name", ["", "asia/shanghai", "Beijing", "localtime", "Factory", "posixrules", "../etc/passwd", "+08:00"])
def test_no_time_zone_is_not_known(name: str) -> None:
    known = is_time_zone(name)

    assert not known


@pytest.mark.parametrize(
    ("tag", "canonical"),
    [
        ("zh-hans-cn", "zh-Hans-CN"),
        ("EN", "en"),
        ("en-us", "en-US"),
        ("ES-419", "es-419"),
        ("zh-YUE-hk", "zh-yue-HK"),
        ("sl-ROZAJ-Biske-1994", "sl-rozaj-biske-1994"),
        ("de-CH-1901", "de-CH-1901"),
        ("EN-LATN-gb-BOONT-R-Extended-Sequence-X-PRIVATE", "en-Latn-GB-boont-r-extended-sequence-x-private"),
        ("de-u-CO-phonebk", "de-u-co-phonebk"),
        ("ja-t-IT-Latn", "ja-t-it-latn"),
        ("X-Whatever-A", "x-whatever-a"),
    ],
)
def test_a_locale_takes_its_canonical_case(tag: str, canonical: str) -> None:
    normalised = normalise_locale(tag)

    assert normalised == canonical
    assert normalise_locale(normalised) == normalised


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "zh_CN",
        "zh-",
        "-zh",
        "z",
        "zh--CN",
        "i-klingon",
        "en-a",
        "en-x",
        "en-US-US",
        "en-toolongsubtag",
        "de-1901-1901",
        "en-a-bb-a-cc",
        "zh-CN\n",
        "ſv",
        "zh-CN ",
        "中文",
        "en" + "-x" * 25_000,
    ],
)
def test_a_malformed_locale_is_refused(tag: str) -> None:
    with pytest.raises(Fault) as caught:
        normalise_locale(tag)

    assert caught.value.code == "invalid_locale"
