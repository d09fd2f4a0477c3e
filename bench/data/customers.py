"""Generated customers, with everything that the service would have written for them but events and metrics."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from bench.data.derived import whole
from bench.data.lines import NULL, array, moment, uuid7
from bench.data.names import FAMILY, FIRST, GIVEN, WESTERN, Choice

# They came over so many days, the last of them on the day that the data are made for.
DAYS = 1100
COLUMNS = (
    *("id", "kind", "display_name", "given_name", "family_name", "organization_name", "email", "phone", "alternate_emails", "birthday"),
    *("gender", "locale", "time_zone", "country", "addresses", "tags", "status", "lifecycle_stage", "owner", "source", "external_ids"),
    *("attributes", "version", "created_at", "updated_at", "deleted_at", "email_key", "search_text", "search_grams", "xid"),
)
KEY_COLUMNS = ("source", "external_id", "customer_id")
SOURCE = "bench"

_CHINESE = ("CN", "HK", "SG", "TW")
_LOCALES = {
    "CN": "zh-Hans-CN",
    "HK": "zh-Hant-HK",
    "SG": "en-SG",
    "TW": "zh-Hant-TW",
    "US": "en-US",
    "DE": "de-DE",
    "GB": "en-GB",
    "FR": "fr-FR",
    "JP": "ja-JP",
    "BR": "pt-BR",
}
_ZONES = {
    "CN": "Asia/Shanghai",
    "HK": "Asia/Hong_Kong",
    "SG": "Asia/Singapore",
    "TW": "Asia/Taipei",
    "US": "America/Chicago",
    "DE": "Europe/Berlin",
    "GB": "Europe/London",
    "FR": "Europe/Paris",
    "JP": "Asia/Tokyo",
    "BR": "America/Sao_Paulo",
}
# Eight digits follow.
_CALLING = {"CN": "86138", "HK": "852", "SG": "65", "TW": "8869", "US": "131", "DE": "4930", "GB": "4420", "FR": "336", "JP": "8190"}
_CITIES = {
    "CN": (("上海", "上海市", "南京路"), ("北京", "北京市", "长安街"), ("广州", "广东省", "中山路"), ("成都", "四川省", "人民南路")),
    "DE": (("Berlin", "Berlin", "Kantstraße"), ("Köln", "NRW", "Ringstraße")),
    "US": (("Chicago", "IL", "State Street"), ("Austin", "TX", "Congress Avenue")),
}
_TAGS = {"vip": 0.05, "newsletter": 0.4, "new": 0.1, "wholesale": 0.04, "press": 0.01, "展会": 0.03}


def ids(count: int, anchor: int) -> list[str]:
    """Of `count` customers, who came one after the other up to `anchor`, in seconds."""
    dice = random.Random(11)
    return [uuid7(_created(number, count, anchor) * 1000, dice) for number in range(count)]


def rows(known: Sequence[str], anchor: int) -> Iterator[str]:
    dice = random.Random(12)
    makers = _makers(dice)
    for number, customer_id in enumerate(known):
        yield _line(customer_id, number, _created(number, len(known), anchor), anchor, dice, makers)


def key_rows(known: Sequence[str]) -> Iterator[str]:
    return (f"{SOURCE}\t{number}\t{customer_id}" for number, customer_id in enumerate(known))


def _created(number: int, count: int, anchor: int) -> int:
    return anchor - int((count - number) * DAYS * 86400 / count)


def _makers(dice: random.Random) -> dict[str, Choice[Any]]:  # Any: each draws a kind of values of its own
    return {
        "country": Choice(dice, {"CN": 60, "US": 8, "DE": 6, "GB": 5, "FR": 5, "JP": 5, "HK": 4, "SG": 3, "BR": 2, "TW": 2}),
        "status": Choice(dice, {"active": 88, "inactive": 9, "blocked": 3}),
        "stage": Choice(dice, {NULL: 20, "lead": 15, "prospect": 15, "customer": 45, "former": 5}),
        "kind": Choice(dice, {"person": 94, "organization": 6}),
        "gender": Choice(dice, {NULL: 50, "female": 25, "male": 24, "other": 1}),
        "domain": Choice(dice, {"example.com": 50, "mail.example.cn": 35, "example.org": 15}),
        "channel": Choice(dice, {"web": 50, "app": 40, "store": 10}),
    }


def _line(customer_id: str, number: int, created: int, anchor: int, dice: random.Random, makers: dict[str, Choice[Any]]) -> str:
    chance = dice.random
    country = makers["country"]()
    kind = makers["kind"]()
    person = _person(country, kind, number, chance, makers)
    derived = whole(person)
    changed = created if chance() < 0.6 else created + int(chance() * (anchor - created))
    deleted = chance() < 0.01
    city, region, street = dice.choice(_CITIES.get(country, _CITIES["DE"]))
    address = (
        f'[{{"city": "{city}", "label": "home", "line1": "{street} {1 + number % 400}", "line2": null, "region": "{region}", '
        f'"country": "{country}", "primary": true, "postal_code": "{10000 + number % 89999}"}}]'
    )
    return "\t".join(
        (
            *(customer_id, kind, NULL),
            *(person[name] or NULL for name in ("given_name", "family_name", "organization_name", "email", "phone")),
            array(person["alternate_emails"]),
            f"{1940 + int(chance() * 68)}-{1 + int(chance() * 12):02}-{1 + int(chance() * 28):02}" if chance() < 0.6 else NULL,
            *(makers["gender"](), _LOCALES[country], _ZONES[country], country, address),
            array([tag for tag, share in _TAGS.items() if chance() < share]),
            *(makers["status"](), makers["stage"]()),
            f"owner{int(chance() * 500)}" if chance() < 0.5 else NULL,
            *(SOURCE, f'{{"{SOURCE}": "{number}"}}'),
            f'{{"channel": "{makers["channel"]()}", "loyalty_points": {int(chance() * 10000)}}}',
            *("1" if changed == created else "2", moment(created), moment(changed), moment(changed) if deleted else NULL),
            *(derived["email_key"] or NULL, derived["search_text"], array(derived["search_grams"]), "0"),
        )
    )


def _person(country: str, kind: str, number: int, chance: Any, makers: dict[str, Choice[Any]]) -> dict[str, Any]:
    chinese = country in _CHINESE
    family = FAMILY[int(chance() * len(FAMILY))] if chinese else WESTERN[int(chance() * len(WESTERN))]
    if chinese:
        given = "".join(GIVEN[int(chance() * len(GIVEN))] for _ in range(1 if chance() < 0.3 else 2))
    else:
        given = FIRST[int(chance() * len(FIRST))]
    first = FIRST[int(chance() * len(FIRST))].lower()
    return {
        "given_name": given,
        "family_name": family,
        "organization_name": f"{family}{given}有限公司 {number}" if kind == "organization" else None,
        "email": f"{first}.{number}@{makers['domain']()}" if chance() < 0.9 else None,
        "phone": f"+{_CALLING.get(country, '5511')}{number:08d}" if chance() < 0.8 else None,
        "alternate_emails": [f"{first}.{number}@work.example.com"] if chance() < 0.05 else [],
    }
