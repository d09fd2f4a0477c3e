"""Protects money: exact decimals, one text for one value, and sums that forget nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import codes, money
from app.core.faults import Fault

AMOUNTS = st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=6)
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "CLF"])


class TestParse:
    @pytest.mark.parametrize("text", ["0", "-1", "007", "1.5", "999999999999999.999999"])
    def test_a_decimal_is_taken_as_it_is(self, text: str) -> None:
        assert money.parse_amount(text) == text

    @pytest.mark.parametrize(
        "text", ["", "+1", ".5", "5.", "1,5", "1e3", "NaN", "Infinity", "0x1", " 1", "1\n", "١", "1" * 16, "0.1234567"]
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(Fault) as caught:
            money.parse_amount(text)

        assert caught.value.code == "invalid_amount"


class TestWritten:
    @given(amount=AMOUNTS, currency=CURRENCIES)
    def test_it_is_the_same_value_with_at_least_the_decimals_of_the_currency(self, amount: Decimal, currency: str) -> None:
        text = money.written(amount, currency)

        decimals = len(text.partition(".")[2])
        assert Decimal(text) == amount
        assert decimals >= codes.minor_units(currency)
        assert decimals == codes.minor_units(currency) or not text.endswith("0")
        assert money.written(text, currency) == text

    @pytest.mark.parametrize(
        ("text", "currency", "written"),
        [
            ("-0.00", "EUR", "0.00"),
            ("-0", "JPY", "0"),
            ("-0.01", "EUR", "-0.01"),
            ("007.00", "EUR", "7.00"),
            ("00.50", "EUR", "0.50"),
            ("1.500", "EUR", "1.50"),
            ("1.505", "EUR", "1.505"),
            ("1", "EUR", "1.00"),
            ("10.0", "JPY", "10"),
        ],
    )
    def test_what_looks_otherwise_is_written_the_one_way(self, text: str, currency: str, written: str) -> None:
        assert (money.written(text, currency), money.written(Decimal(text), currency)) == (written, written)

    @given(amounts=st.lists(AMOUNTS, max_size=20), currency=CURRENCIES)
    def test_what_is_added_and_taken_away_again_is_as_before(self, amounts: list[Decimal], currency: str) -> None:
        total = Decimal("0.10")
        for amount in amounts:
            total = money.added(total, amount)
        for amount in amounts:
            total = money.subtracted(total, amount)

        assert money.written(total, currency) == money.written("0.1", currency)


class TestCurrencies:
    def test_every_currency_with_other_decimals_is_one(self) -> None:
        assert [currency for currency in codes._MINOR_UNITS if not codes.is_currency(currency)] == []

    @pytest.mark.parametrize(("currency", "decimals"), [("CNY", 2), ("JPY", 0), ("BHD", 3), ("UYW", 4)])
    def test_a_currency_has_its_decimals(self, currency: str, decimals: int) -> None:
        assert codes.minor_units(currency) == decimals

    @pytest.mark.parametrize("code", ["cny", "RMB", "", "EURO"])
    def test_what_is_no_currency_is_none(self, code: str) -> None:
        assert not codes.is_currency(code)
