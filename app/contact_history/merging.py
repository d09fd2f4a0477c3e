"""What an interaction becomes by a merge patch (RFC 7396), and what follows from its fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.contact_history.record import WRITABLE, EntryRecord
from app.core import attributes, limits, money, search
from app.core.errors import FieldFault, Invalid

# Any: values of an interaction's fields.

# What an interaction is of which nothing was said. Its kind has to be said, and its time is the present.
DEFAULTS: dict[str, Any] = {**dict.fromkeys(WRITABLE), "attributes": {}}

_AHEAD_MAX = timedelta(seconds=limits.OCCURRED_AHEAD_MAX_SECONDS)

# A long body is found by how it begins: its grams would else fill the index.
BODY_SEARCHED = 4096


def merge(before: Mapping[str, Any], patch: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The fields of `patch` as they are to be stored over `before`, only those that differ from it.

    null clears; within `attributes` the patch goes on by name. An amount is written as its currency is. Raises Invalid.
    """
    whole = _merged(before, patch)
    # An amount is written otherwise where its currency changes.
    names = {**patch, "amount": None}
    changed = {name: whole[name] for name in names if not _same(name, whole[name], before[name])}
    if "occurred_at" in changed:
        _check_time(changed["occurred_at"], now)
    return changed


def new(patch: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """All fields of a new interaction, of which `patch` was said. Raises Invalid."""
    if patch.get("kind") is None:
        raise Invalid([FieldFault("/kind", "required", "This field is required.")])
    whole = _merged(DEFAULTS, {"occurred_at": now, **patch})
    _check_time(whole["occurred_at"], now)
    return whole


def stored(record: EntryRecord, *, digest: bytes | None = None) -> tuple[Any, ...]:
    """The row, in the order of STORED. `digest` is that of the line of an import that alone has made the interaction what it is."""
    return (*record, *derived(record.subject, record.body, record.outcome), digest)


def derived(subject: str | None, body: str | None, outcome: str | None) -> tuple[str, list[str]]:
    """The columns of DERIVED."""
    if not (subject or outcome or body):
        # As of nearly every order.
        return "", []
    text = search.search_text([subject, outcome, body and body[:BODY_SEARCHED]])
    return text, search.search_grams(text)


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    whole = {**before, **patch}
    if "attributes" in patch:
        whole["attributes"] = attributes.merged(before["attributes"], patch["attributes"])
        attributes.check_count("attributes", whole["attributes"], limits.ATTRIBUTES_MAX)
        attributes.check_size(whole["attributes"])
    _check(whole)
    if whole["amount"] is not None:
        whole["amount"] = money.written(whole["amount"], whole["currency"])
    return whole


def _check_time(occurred_at: datetime, now: datetime) -> None:
    if occurred_at > now + _AHEAD_MAX:
        fault = FieldFault("/occurred_at", "occurred_in_future", "This lies more than 24 hours ahead.")
        raise Invalid([fault], code="occurred_in_future")


def _check(whole: Mapping[str, Any]) -> None:
    faults = []
    if whole["amount"] is not None and whole["currency"] is None:
        faults.append(FieldFault("/currency", "currency_missing", "An amount needs its currency."))
    if whole["external_id"] is not None and whole["source"] is None:
        faults.append(FieldFault("/source", "source_missing", "An external id needs its source."))
    if faults:
        raise Invalid(faults)


def _same(name: str, value: Any, before: Any) -> bool:
    return attributes.are_same(value, before) if name == "attributes" else bool(value == before)
