"""Protects times on their way in and out: one moment, no digit lost, no time zone guessed."""

from datetime import UTC, date, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.faults import Fault
from app.core.times import format_timestamp, parse_date, parse_timestamp


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29T08:00:00Z", datetime(2024, 2, 29, 8, tzinfo=UTC)),
        ("2024-02-29t08:00:00z", datetime(2024, 2, 29, 8, tzinfo=UTC)),
        ("2024-02-29T08:00:00+08:00", datetime(2024, 2, 29, 0, tzinfo=UTC)),
        ("2024-01-01T00:30:00-05:30", datetime(2024, 1, 1, 6, tzinfo=UTC)),
        ("2024-01-01T00:00:00-00:00", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.5Z", datetime(2024, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-01-01T00:00:00.1234Z", datetime(2024, 1, 1, 0, 0, 0, 123_400, tzinfo=UTC)),
        ("2024-01-01T00:00:00.000001Z", datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read_as_utc(text: str, moment: datetime) -> None:
    parsed = parse_timestamp(text)

    assert parsed == moment
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "infinity",
        "2024-01-01",
        "2024-01-01 00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T24:00:60Z",
        "2016-12-31T23:59:60Z",
        "2024-01-01T00:60:00Z",
        "0000-01-01T00:00:00Z",
        "999999-01-01T00:00:00Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+08",
        "2024-01-01T00:00:00+0800",
        "2024-01-01T00:00:00+08:60",
        "2024-01-01T00:00Z",
        "20240101T000000Z",
        "2024-W01-1T00:00:00Z",
        "2024-01-01T00:00:00,5Z",
        "２０２４-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z\n",
        " 2024-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2024-01-01T00:00:00." + "1" * 50_000 + "Z",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_timestamp(text)

    assert caught.value.code == "invalid_timestamp"


@pytest.mark.parametrize("text", ["2024-01-01T00:00:00", "2024-01-01t00:00:00.123"])
def test_a_timestamp_without_zone_is_told_so(text: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_timestamp(text)

    assert caught.value.code == "timestamp_without_zone"


def test_too_many_digits_are_told_so() -> None:
    with pytest.raises(Fault) as caught:
        parse_timestamp("2024-01-01T00:00:00.123456789+08:00")

    assert "six" in caught.value.detail


@pytest.mark.parametrize(("text", "day"), [("2024-02-29", date(2024, 2, 29)), ("0001-01-01", date(1, 1, 1))])
def test_a_date_is_read(text: str, day: date) -> None:
    parsed = parse_date(text)

    assert parsed == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-02-30",
        "2024-2-3",
        "20240203",
        "2024-W01-1",
        "0000-01-01",
        "2024-01-01T00:00:00Z",
        "２０２４-01-01",
        "2024-01-01\n",
    ],
)
def test_no_date_is_refused(text: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_date(text)

    assert caught.value.code == "invalid_date"


def test_a_moment_without_zone_cannot_be_written() -> None:
    naive = datetime(2024, 1, 1)  # noqa: DTZ001 - the subject of the test

    with pytest.raises(ValueError, match="zone"):
        format_timestamp(naive)


@given(st.datetimes(timezones=st.just(UTC)))
def test_writing_is_what_orjson_writes(moment: datetime) -> None:
    written = format_timestamp(moment)

    assert f'"{written}"'.encode() == orjson.dumps(moment, option=orjson.OPT_UTC_Z)


@given(st.datetimes(), st.integers(-1439, 1439))
def test_what_was_written_is_read_as_the_same_moment(wall: datetime, offset: int) -> None:
    assume(2 <= wall.year <= 9998)
    moment = wall.replace(tzinfo=timezone(timedelta(minutes=offset)))

    parsed = parse_timestamp(format_timestamp(moment))

    assert parsed == moment
    assert parsed == parse_timestamp(moment.isoformat())
