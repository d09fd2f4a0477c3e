"""Protects that a refused value carries a code and a sentence through every layer that may hold it."""

import pickle

from app.core.faults import Fault


def test_fault_is_a_value_error_with_code_and_detail() -> None:
    fault = Fault("too_long", "The text is longer than 3 characters.")

    caught: ValueError = fault

    assert isinstance(caught, ValueError)
    assert (fault.code, fault.detail) == ("too_long", "The text is longer than 3 characters.")
    assert str(fault) == "too_long: The text is longer than 3 characters."


def test_fault_survives_pickling() -> None:
    fault = Fault("too_long", "The text is longer than 3 characters.")

    copy = pickle.loads(pickle.dumps(fault))

    assert (copy.code, copy.detail) == (fault.code, fault.detail)
