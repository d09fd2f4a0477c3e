"""What a customer becomes by a merge patch (RFC 7396), and what follows from its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.attributes.definition import Definitions
from app.core import contact_points, limits, search
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.customers.record import WRITABLE

# Any: values of a customer's fields.

# What a customer is of whom nothing was said.
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(WRITABLE),
    "kind": "person",
    "status": "active",
    "alternate_emails": [],
    "alternate_phones": [],
    "addresses": [],
    "tags": [],
    "external_ids": {},
    "attributes": {},
}

_SORTED = orjson.OPT_SORT_KEYS

# The maps, which a patch goes on with by name, and how many members each may have in the end.
_MAPS = {"external_ids": limits.EXTERNAL_IDS_MAX, "attributes": limits.ATTRIBUTES_MAX}

# Of all attributes together, as JSON: patches, each within the limit of a body, could grow a row without end.
_ATTRIBUTES_BYTES_MAX = 1_048_576

# From here on a float is written with an exponent, and jsonb, which keeps digits and no notation, gives it back as a whole number:
# one that orjson reads as an int where it fits into 64 bits, signed or not.
_WRITTEN_WITH_EXPONENT = 1e16
_INT_MIN, _INT_END = -(2**63), 2**64


def merge(before: Mapping[str, Any], patch: Mapping[str, Any], *, definitions: Definitions) -> dict[str, Any]:
    """The fields of `patch` as they are to be stored over `before`, only those that differ from it.

    null clears: a list or map becomes empty. Within `external_ids` and `attributes` the patch goes on by name; `addresses` and other
    lists are replaced whole. Phones become E.164, read by the country that the customer has after the patch; attributes become what
    their definitions say. Raises Invalid.
    """
    if "attributes" in patch:
        patch = {**patch, "attributes": definitions.checked(patch["attributes"])}
    after: dict[str, Any] = {
        name: _merged(before[name], value) if name in _MAPS else _cleared(name, value) for name, value in patch.items()
    }
    region = after.get("country", before["country"])
    if after.get("phone") is not None:
        after["phone"] = _phone(after["phone"], region, "/phone")
    if after.get("alternate_phones"):
        phones = [_phone(number, region, f"/alternate_phones/{index}") for index, number in enumerate(after["alternate_phones"])]
        after["alternate_phones"] = list(dict.fromkeys(phones))
    if after.get("alternate_emails"):
        after["alternate_emails"] = _each_once(after["alternate_emails"])
    _check_size(after)
    return {name: value for name, value in after.items() if not _same(name, value, before[name])}


def new(data: Mapping[str, Any], *, definitions: Definitions) -> dict[str, Any]:
    """Every field of a new customer of whom `data` is said. Raises Invalid."""
    values = DEFAULTS | merge(DEFAULTS, data, definitions=definitions)
    definitions.check_complete(values["attributes"])
    return values


def derived(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that are made from a customer's fields and never shown."""
    text = search.search_text(
        [
            values["display_name"],
            values["given_name"],
            values["family_name"],
            _full_name(values["family_name"], values["given_name"]),
            values["organization_name"],
            values["email"],
            *values["alternate_emails"],
            values["phone"],
            *values["alternate_phones"],
        ]
    )
    email = values["email"]
    return {
        "email_key": contact_points.email_key(email) if email is not None else None,
        "search_text": text,
        "search_grams": search.search_grams(text),
    }


def _full_name(family_name: str | None, given_name: str | None) -> str | None:
    """Chinese, Japanese and Korean names are written without a space, and looked for so: 张 and 伟 have to be found by 张伟."""
    if not family_name or not given_name or family_name.isascii() or given_name.isascii():
        return None
    return family_name + given_name


def _same(name: str, value: Any, before: Any) -> bool:
    # By their JSON, since to Python 1, 1.0 and True are equal, also deep inside.
    return bool(value == before) and (name != "attributes" or orjson.dumps(value, option=_SORTED) == orjson.dumps(before, option=_SORTED))


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any] | None) -> dict[str, Any]:
    if patch is None:
        return {}
    return {name: _as_read_back(value) for name, value in {**before, **patch}.items() if value is not None}


def _as_read_back(value: Any) -> Any:
    """As it will come out of the database: a float that comes out as an int would differ from itself when it is sent again."""
    if isinstance(value, float) and abs(value) >= _WRITTEN_WITH_EXPONENT and _INT_MIN <= value < _INT_END:
        return int(value)
    return value


def _each_once(emails: list[str]) -> list[str]:
    """Each address in its first place and spelling; they are compared without case."""
    found: dict[str, str] = {}
    for email in emails:
        found.setdefault(contact_points.email_key(email), email)
    return list(found.values())


def _check_size(after: Mapping[str, Any]) -> None:
    for name, most in _MAPS.items():
        if len(after.get(name, ())) > most:
            raise Invalid([FieldFault(f"/{name}", "wrong_count", f"There may be {most} members in all.")])
    if len(orjson.dumps(after.get("attributes"))) > _ATTRIBUTES_BYTES_MAX:
        raise Invalid([FieldFault("/attributes", "too_long", f"All attributes together may have {_ATTRIBUTES_BYTES_MAX} bytes as JSON.")])


def _cleared(name: str, value: Any) -> Any:
    return DEFAULTS[name] if value is None else value


def _phone(number: str, region: str | None, pointer: str) -> str:
    try:
        return contact_points.normalise_phone(number, region=region)
    except Fault as fault:
        raise Invalid([FieldFault(pointer, fault.code, fault.detail)]) from fault
