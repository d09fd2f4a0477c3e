"""A file of generated customers as a shop would send them; always the same ones for the same seed."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import orjson

from bench.data.names import FAMILY, FIRST, GIVEN, WESTERN

# Any: JSON.

_CITIES = {
    "CN": [("上海", "上海市", "南京路"), ("北京", "北京市", "长安街"), ("广州", "广东省", "中山路"), ("成都", "四川省", "人民南路")],
    "US": [("Chicago", "IL", "State Street"), ("Austin", "TX", "Congress Avenue")],
    "DE": [("Berlin", "Berlin", "Kantstraße"), ("Köln", "NRW", "Ringstraße")],
    "GB": [("London", "England", "High Street"), ("Leeds", "England", "Kirkgate")],
}
_COUNTRIES = ["CN", "CN", "CN", "US", "DE", "GB"]
_TAGS = ["vip", "new", "wholesale", "press", "展会", "newsletter"]


def people(count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """`count` customers of the source `shop`, half of them with Chinese names, their phones in many spellings."""
    dice = random.Random(seed)
    for number in range(count):
        country = dice.choice(_COUNTRIES)
        chinese = country == "CN"
        city, region, street = dice.choice(_CITIES[country])
        yield {
            "source": "shop",
            "external_id": f"gid://shop/Customer/{number}",
            "given_name": "".join(dice.choices(GIVEN, k=dice.choice((1, 2, 2)))) if chinese else dice.choice(FIRST),
            "family_name": dice.choice(FAMILY) if chinese else dice.choice(WESTERN),
            "email": f"{dice.choice(FIRST)}.{number}@{dice.choice(('example.com', 'Example.ORG', 'mail.example.cn'))}",
            "phone": _phone(dice, country),
            "country": country,
            "locale": {"CN": "zh-Hans-CN", "US": "en-US", "DE": "de-DE", "GB": "en-GB"}[country],
            "birthday": f"{dice.randrange(1940, 2008)}-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}",
            "addresses": [
                {
                    "label": "home",
                    "line1": f"{street} {dice.randrange(1, 400)}",
                    "city": city,
                    "region": region,
                    "postal_code": f"{dice.randrange(10000, 999999)}",
                    "country": country,
                    "primary": True,
                }
            ],
            "tags": dice.sample(_TAGS, dice.randrange(4)),
            "attributes": {"loyalty_points": dice.randrange(10_000), "channel": dice.choice(("web", "app", "store"))},
            "source_updated_at": f"2026-{dice.randrange(1, 11):02}-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:15:00+08:00",
        }


def _phone(dice: random.Random, country: str) -> str:
    if country == "CN":
        number = f"13{dice.randrange(10**9):09}"
        spaced = f"{number[:3]} {number[3:7]} {number[7:]}"
        return dice.choice((number, spaced, spaced.replace(" ", "-"), f"+86 {spaced}", f"0086{number}", f"+86{number}"))
    if country == "US":
        area, line = dice.choice(("212", "312", "512")), f"{dice.randrange(200, 999)}{dice.randrange(10_000):04}"
        return dice.choice((f"({area}) {line[:3]}-{line[3:]}", f"+1 {area} {line}", f"{area}.{line[:3]}.{line[3:]}", f"1-{area}-{line}"))
    if country == "DE":
        number = f"{dice.randrange(10**7, 10**8)}"
        return dice.choice((f"030 {number}", f"+49 30 {number}", f"0049 30 {number}", f"+49 (0)30 {number}"))
    number = f"{dice.randrange(10**4):04} {dice.randrange(10**4):04}"
    return dice.choice((f"020 7{number[1:]}", f"+44 20 7{number[1:]}", f"+44 (0)20 7{number[1:]}"))


def main() -> None:
    """`python -m bench.people 1000000 > people.ndjson`"""
    out = sys.stdout.buffer
    for person in people(int(sys.argv[1])):
        out.write(orjson.dumps(person, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
