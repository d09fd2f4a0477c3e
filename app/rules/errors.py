"""What is wrong with a rule, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.core.errors import FieldFault, Invalid
from app.rules.tree import At

# Names are compared with every known one, so a long one would keep us busy.
_NAME_MAX = 100


@dataclass(frozen=True, slots=True)
class RuleFault:
    """One thing wrong; `at` is the place in the text, counted in characters from 0, or the pointer in the JSON."""

    at: At
    code: str
    detail: str


class RuleError(Exception):
    """A rule that is none. `faults` is never empty."""

    def __init__(self, faults: Sequence[RuleFault]) -> None:
        super().__init__("; ".join(f"{fault.at}: {fault.code}: {fault.detail}" for fault in faults))
        self.faults = tuple(faults)

    @classmethod
    def one(cls, at: At, code: str, detail: str) -> RuleError:
        return cls([RuleFault(at, code, detail)])

    def as_invalid(self, pointer: str) -> Invalid:
        """The same as faults of the input in which the rule stood at `pointer` (`/rule`, `query.filter`)."""
        return Invalid([_field_fault(fault, pointer) for fault in self.faults])


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean ..?`, or nothing where no known name is like it."""
    by_fold = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name[:_NAME_MAX].lower(), by_fold, n=1)
    return f" Did you mean `{by_fold[found[0]]}`?" if found else ""


def shown(name: str) -> str:
    """A name as it may stand in a sentence: no longer than a sentence bears."""
    return name if len(name) <= _NAME_MAX else f"{name[:_NAME_MAX]}…"


def _field_fault(fault: RuleFault, pointer: str) -> FieldFault:
    if isinstance(fault.at, str):
        return FieldFault(pointer + fault.at, fault.code, fault.detail)
    return FieldFault(pointer, fault.code, fault.detail, position=fault.at)
