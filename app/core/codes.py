"""Codes that others keep: countries, currencies, time zones, locales."""

from __future__ import annotations

import re
import zoneinfo
from functools import cache, lru_cache

from app.core.faults import Fault

LOCALE_MAX = 64

# The currencies that are not written with two decimals, by ISO 4217's list one; pycountry does not know.
_WITH_DECIMALS = {
    0: ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    3: ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"),
    4: ("CLF", "UYW"),
}
_MINOR_UNITS = {currency: decimals for decimals, currencies in _WITH_DECIMALS.items() for currency in currencies}

# RFC 5646 2.1: `langtag`, and a tag that is private use as a whole. The letters are spelt out, because [a-z] with IGNORECASE
# matches U+017F and U+212A.
_ALNUM = "[A-Za-z0-9]"
_LANGTAG = re.compile(
    "(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})"
    "(?:-(?P<script>[A-Za-z]{4}))?"
    "(?:-(?P<region>[A-Za-z]{2}|[0-9]{3}))?"
    f"(?P<variants>(?:-(?:{_ALNUM}{{5,8}}|[0-9]{_ALNUM}{{3}}))*)"
    f"(?P<extensions>(?:-[0-9A-WY-Za-wy-z](?:-{_ALNUM}{{2,8}})+)*)"
    f"(?P<private>(?:-[Xx](?:-{_ALNUM}{{1,8}})+)?)"
)
_PRIVATE_USE = re.compile(f"[Xx](?:-{_ALNUM}{{1,8}})+")


def is_country(code: str) -> bool:
    """Whether this is an ISO 3166-1 alpha-2 code in upper case, as pycountry's copy of the list has it."""
    return code in _countries()


def is_currency(code: str) -> bool:
    """Whether this is an ISO 4217 code in upper case, as pycountry's copy of the list has it."""
    return code in _currencies()


def check_currency(code: str) -> None:
    """Raises Fault, with what may be meant."""
    if not is_currency(code):
        meant = code.upper()
        hint = f" Did you mean `{meant}`?" if is_currency(meant) else ""
        raise Fault("unknown_currency", f"This is no ISO 4217 currency code.{hint}")


def minor_units(currency: str) -> int:
    """How many decimals the currency is written with, by ISO 4217; 2 for most."""
    return _MINOR_UNITS.get(currency, 2)


def is_time_zone(name: str) -> bool:
    """Whether this is a name of the IANA time zone database, in its own case."""
    return name in _time_zones()


# A shop writes the same few with every customer.
@lru_cache(maxsize=1024)
def normalise_locale(tag: str) -> str:
    """Return a BCP 47 tag in canonical case: `zh-hans-cn` becomes `zh-Hans-CN` (RFC 5646 2.1.1).

    Checked is the form, not whether the subtags are registered. Grandfathered tags (`i-klingon`) and the underscore of POSIX are
    refused, and so are a variant or an extension named twice (RFC 5646 2.2.5, 2.2.6).

    Raises `Fault` invalid_locale.
    """
    if len(tag) > LOCALE_MAX:
        raise Fault("invalid_locale", f"The locale is longer than {LOCALE_MAX} characters.")
    found = _LANGTAG.fullmatch(tag)
    if found is None:
        if _PRIVATE_USE.fullmatch(tag):
            return tag.lower()
        raise Fault("invalid_locale", "The locale is no BCP 47 language tag, such as zh-Hans-CN.")
    variants = found["variants"].lower()
    extensions = found["extensions"].lower()
    if _repeats(variants.split("-")[1:]) or _repeats([part for part in extensions.split("-") if len(part) == 1]):
        raise Fault("invalid_locale", "The locale names a variant or an extension twice.")
    script = f"-{found['script'].title()}" if found["script"] else ""
    region = f"-{found['region'].upper()}" if found["region"] else ""
    return found["language"].lower() + script + region + variants + extensions + found["private"].lower()


def _repeats(parts: list[str]) -> bool:
    return len(set(parts)) < len(parts)


@cache
def _countries() -> frozenset[str]:
    # Imported and read at the first use: 70 ms that a process without customers need not pay.
    import pycountry

    return frozenset(country.alpha_2 for country in pycountry.countries)


@cache
def _currencies() -> frozenset[str]:
    import pycountry

    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


@cache
def _time_zones() -> frozenset[str]:
    # `localtime` is a file of some machines and `Factory` says that no zone was set: neither means the same anywhere else.
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}
