"""Times and dates as text: RFC 3339, always UTC inside."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from app.core.faults import Fault

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_TIMESTAMP = re.compile(rf"{_DATE}[Tt]{_TIME}(?:\.[0-9]{{1,6}})?{_OFFSET}")
_TOO_FINE = re.compile(rf"{_DATE}[Tt]{_TIME}\.[0-9]{{7,}}{_OFFSET}")
_WITHOUT_ZONE = re.compile(rf"{_DATE}[Tt]{_TIME}(?:\.[0-9]+)?")
_DATE_ALONE = re.compile(_DATE)


def parse_timestamp(value: str) -> datetime:
    """Return an RFC 3339 date-time (https://www.rfc-editor.org/rfc/rfc3339#section-5.6) as an aware datetime in UTC.

    Microseconds are kept. Refused, though RFC 3339 would allow them: more than six fractional digits (they would be lost), the
    leap second :60 (no database type holds it), and a space in place of the T.

    Raises `Fault` with the code invalid_timestamp or timestamp_without_zone.
    """
    if not _TIMESTAMP.fullmatch(value):
        raise _why_no_timestamp(value)
    try:
        # Upper case: fromisoformat knows no `z`.
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Fault("invalid_timestamp", "There is no such moment in the years 1 to 9999.") from None


def parse_date(value: str) -> date:
    """Return a date written as YYYY-MM-DD. Raises `Fault` invalid_date."""
    if not _DATE_ALONE.fullmatch(value):
        raise Fault("invalid_date", "A date is written as YYYY-MM-DD.")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Fault("invalid_date", "There is no such day.") from None


def format_timestamp(value: datetime) -> str:
    """Return the text that orjson writes for it in UTC with OPT_UTC_Z: microseconds only where there are some, `Z` at the end.

    Raises ValueError for a datetime without a zone: which moment is meant is not ours to guess.
    """
    if value.tzinfo is None:
        raise ValueError("a datetime without a zone names no moment")
    return value.astimezone(UTC).isoformat()[:-6] + "Z"


def _why_no_timestamp(value: str) -> Fault:
    if _WITHOUT_ZONE.fullmatch(value):
        return Fault("timestamp_without_zone", "The timestamp needs its offset from UTC: Z, or one such as +08:00.")
    if _TOO_FINE.fullmatch(value):
        return Fault("invalid_timestamp", "At most six fractional digits are kept; send no more.")
    return Fault("invalid_timestamp", "A timestamp is written as in RFC 3339: 2024-02-29T08:00:00Z.")
