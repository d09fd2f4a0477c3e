"""Finding a customer by e-mail or phone where no external id names one; decided the same way on every path in.

E-mails and phones are not unique, since families share them. So a match has to be one customer: where identifiers point at several, a
person has to say which is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core import contact_points
from app.core.errors import Conflict, Invalid
from app.customers import merging
from app.customers.book import Book, Identifier
from app.customers.record import CustomerRecord

# Any: values of a customer's fields.

BY = ("email", "phone")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A customer and the identifiers by which it was found."""

    record: CustomerRecord
    matched_on: list[str]

    @property
    def shown(self) -> dict[str, Any]:
        return {"customer_id": self.record.id, "matched_on": self.matched_on}


def identifiers(match: Sequence[str], data: Mapping[str, Any], *, region: str | None = None) -> list[Identifier]:
    """What `data` says of the identifiers that `match` names, in its order. `region` reads a phone where `data` names no country.

    Raises Invalid where the phone is no number.
    """
    found = []
    for by in match:
        value = data.get(by)
        if value is None:
            continue
        if by == "phone":
            found.append(Identifier(by, merging.phone(value, data.get("country") or region, "/phone")))
        else:
            found.append(Identifier(by, contact_points.email_key(value)))
    return found


def readable_identifiers(match: Sequence[str], data: Mapping[str, Any], *, region: str | None = None) -> list[Identifier]:
    """As `identifiers`, and without a phone that is no number: that is told when its turn comes."""
    found = []
    for by in match:
        with suppress(Invalid):
            found += identifiers([by], data, region=region)
    return found


def identifiers_of(record: CustomerRecord) -> list[Identifier]:
    """By what the customer can be found."""
    found = []
    if record.email is not None:
        found.append(Identifier("email", contact_points.email_key(record.email)))
    if record.phone is not None:
        found.append(Identifier("phone", record.phone))
    return found


def find(book: Book, wanted: Sequence[Identifier], external_ids: Mapping[str, str | None]) -> Sequence[Candidate]:
    """Whoever has one of the identifiers and could be given `external_ids`: who has another one of their sources is somebody else."""
    # Most writes match by nothing.
    if not wanted:
        return []
    found = book.find_matching(wanted)
    return _candidates((identifier, record) for identifier, record in found if _may_have(record, external_ids))


def _may_have(record: CustomerRecord, external_ids: Mapping[str, str | None]) -> bool:
    return all(record.external_ids.get(source, text) == text for source, text in external_ids.items() if text is not None)


def the_one(candidates: Sequence[Candidate]) -> CustomerRecord | None:
    """None where there is nobody. Raises Conflict `ambiguous_match` with every candidate where there are several."""
    if len(candidates) > 1:
        raise Conflict("ambiguous_match", candidates=[one.shown for one in candidates])
    return candidates[0].record if candidates else None


def refuse_existing(book: Book, wanted: Sequence[Identifier], *, other_than: UUID | None = None) -> None:
    """Raises Conflict `customer_exists` with every candidate where a customer other than `other_than` has one of the identifiers."""
    if wanted:
        found = book.find_matching(wanted)
        refuse(_candidates((identifier, record) for identifier, record in found if record.id != other_than))


def refuse(candidates: Sequence[Candidate]) -> None:
    """Raises Conflict `customer_exists` with every candidate where there is any."""
    if candidates:
        raise Conflict("customer_exists", candidates=[one.shown for one in candidates])


def _candidates(found: Iterable[tuple[Identifier, CustomerRecord]]) -> list[Candidate]:
    by_customer: dict[UUID, Candidate] = {}
    for identifier, record in found:
        by_customer.setdefault(record.id, Candidate(record, [])).matched_on.append(identifier.by)
    return list(by_customer.values())
