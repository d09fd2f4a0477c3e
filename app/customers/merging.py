"""What a customer becomes by a merge patch (RFC 7396), and what follows from its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.attributes.definition import Definitions
from app.core import attributes, contact_points, limits, search
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.customers.record import WRITABLE, CustomerRecord

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

# The maps, which a patch goes on with by name, and how many members each may have in the end.
_MAPS = {"external_ids": limits.EXTERNAL_IDS_MAX, "attributes": limits.ATTRIBUTES_MAX}


def merge(before: Mapping[str, Any], patch: Mapping[str, Any], *, definitions: Definitions) -> dict[str, Any]:
    """The fields of `patch` as they are to be stored over `before`, only those that differ from it.

    null clears: a list or map becomes empty. Within `external_ids` and `attributes` the patch goes on by name; `addresses` and other
    lists are replaced whole. Phones become E.164, read by the country that the customer has after the patch; attributes become what
    their definitions say. Raises Invalid.
    """
    return {name: value for name, value in _after(before, patch, definitions).items() if not _same(name, value, before[name])}


def new(data: Mapping[str, Any], *, definitions: Definitions) -> dict[str, Any]:
    """The fields of `data` as they are to be stored of a new customer, whose others are DEFAULTS. Raises Invalid."""
    after = _after(DEFAULTS, data, definitions)
    definitions.check_complete(after.get("attributes", DEFAULTS["attributes"]))
    return after


def _after(before: Mapping[str, Any], patch: Mapping[str, Any], definitions: Definitions) -> dict[str, Any]:
    """The fields of `patch` as they are to be stored. Raises Invalid."""
    after: dict[str, Any] = {name: DEFAULTS[name] if value is None else value for name, value in patch.items()}
    if "external_ids" in patch:
        after["external_ids"] = attributes.merged(before["external_ids"], patch["external_ids"])
    if "attributes" in patch:
        after["attributes"] = attributes.merged(before["attributes"], definitions.checked(patch["attributes"]))
    region = after.get("country", before["country"])
    if after.get("phone") is not None:
        after["phone"] = phone(after["phone"], region, "/phone")
    if after.get("alternate_phones"):
        phones = [phone(number, region, f"/alternate_phones/{index}") for index, number in enumerate(after["alternate_phones"])]
        after["alternate_phones"] = list(dict.fromkeys(phones))
    if after.get("alternate_emails"):
        after["alternate_emails"] = _each_once(after["alternate_emails"])
    _check_size(after)
    return after


def stored(record: CustomerRecord, *, digest: bytes | None = None) -> tuple[Any, ...]:
    """The row, in the order of STORED. `digest` is that of the line of an import that alone has made the customer what it is."""
    return (*record, *derived(record), digest)


def derived(record: CustomerRecord) -> tuple[str | None, str, list[str]]:
    """The columns of DERIVED."""
    email = record.email
    text = search.search_text(
        [
            record.display_name,
            record.given_name,
            record.family_name,
            _full_name(record.family_name, record.given_name),
            record.organization_name,
            email,
            *record.alternate_emails,
            record.phone,
            *record.alternate_phones,
        ]
    )
    return contact_points.email_key(email) if email is not None else None, text, search.search_grams(text)


def _full_name(family_name: str | None, given_name: str | None) -> str | None:
    """Chinese, Japanese and Korean names are written without a space, and looked for so: 张 and 伟 have to be found by 张伟."""
    if not family_name or not given_name or family_name.isascii() or given_name.isascii():
        return None
    return family_name + given_name


def _same(name: str, value: Any, before: Any) -> bool:
    return attributes.are_same(value, before) if name == "attributes" else bool(value == before)


def _each_once(emails: list[str]) -> list[str]:
    """Each address in its first place and spelling; they are compared without case."""
    found: dict[str, str] = {}
    for email in emails:
        found.setdefault(contact_points.email_key(email), email)
    return list(found.values())


def _check_size(after: Mapping[str, Any]) -> None:
    for name, most in _MAPS.items():
        if name in after:
            attributes.check_count(name, after[name], most)
    if "attributes" in after:
        attributes.check_size(after["attributes"])


def phone(number: str, region: str | None, pointer: str) -> str:
    """The number in E.164, read by `region`. Raises Invalid at `pointer`."""
    try:
        return contact_points.normalise_phone(number, region=region)
    except Fault as fault:
        raise Invalid([FieldFault(pointer, fault.code, fault.detail)]) from fault
