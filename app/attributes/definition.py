"""A definition as plain values, and the check of an attribute's value against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core import attributes, cells, limits, times
from app.core.cells import Cell
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault

# Any: values of an attribute, as JSON has them.

KINDS = ("string", "integer", "number", "boolean", "date", "timestamp", "enum", "string_list")


@dataclass(frozen=True, slots=True)
class Definition:
    """The columns of the table, in the order in which they are selected."""

    name: str
    type: str
    description: str | None
    choices: list[str] | None
    required: bool
    indexed: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Definitions:
    """All that are defined, by name."""

    by_name: Mapping[str, Definition]
    # Of the check: where it is the same, the same values are taken, and become the same. None before anything was defined.
    edition: UUID | None = None

    def checked(self, sent: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """`sent`, a merge patch of attributes, with each defined one as it is kept. Raises Invalid.

        null takes an attribute away, which a required one does not bear; the same is true where `sent` itself is null.
        """
        faults: list[FieldFault] = []
        kept: dict[str, Any] = {}
        for name, value in (dict.fromkeys(self.required) if sent is None else sent).items():
            definition = self.by_name.get(name)
            try:
                read = _read(definition, value) if isinstance(value, Cell) else value
                kept[name] = read if definition is None else _checked(definition, read)
            except Fault as fault:
                faults.append(FieldFault(f"/attributes/{name}", fault.code, fault.detail))
        if faults:
            raise Invalid(faults)
        return None if sent is None else kept

    def check_complete(self, attributes: Mapping[str, Any]) -> None:
        """For a new customer. Raises Invalid where a required attribute is missing."""
        missing = [name for name in self.required if attributes.get(name) is None]
        if missing:
            raise Invalid([FieldFault(f"/attributes/{name}", _REQUIRED.code, _REQUIRED.detail) for name in missing])

    @property
    def required(self) -> list[str]:
        return [name for name, definition in self.by_name.items() if definition.required]


_REQUIRED = Fault("required", "This attribute is required.")

# Where no attribute is written, none has to be known.
NONE = Definitions({})


def _read(definition: Definition | None, cell: Cell) -> Any:
    """What a cell stands for, by the type that is defined; without one it is text. Raises Fault."""
    read = str if definition is None else _READERS.get(definition.type, str)
    return attributes.clean_value(read(str(cell)))


def _checked(definition: Definition, value: Any) -> Any:
    if value is None:
        if definition.required:
            raise _REQUIRED
        return None
    if definition.type == "enum":
        if value not in (definition.choices or ()):
            raise Fault("not_a_choice", f"This attribute can only be one of {', '.join(definition.choices or ())}.")
        return value
    checked = _CHECKS[definition.type](value)
    if definition.indexed:
        _check_room(checked)
    return checked


def _check_room(value: Any) -> None:
    """Raises Fault where a text is too long for an index."""
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and len(text) > limits.ATTRIBUTE_INDEXED_TEXT_MAX for text in texts):
        raise Fault("too_long", f"The texts of an indexed attribute may have {limits.ATTRIBUTE_INDEXED_TEXT_MAX} characters.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Fault("wrong_type", "This attribute is text.")
    return value


def _whole(value: Any) -> int:
    # JSON has one kind of number: 5.0 is whole too.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Fault("wrong_type", "This attribute is a whole number.")
    return value


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Fault("wrong_type", "This attribute is a number.")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Fault("wrong_type", "This attribute is true or false.")
    return value


def _date(value: Any) -> str:
    return times.parse_date(_text(value)).isoformat()


def _timestamp(value: Any) -> str:
    """In UTC, so that it can be read out of the JSON again in one way."""
    return times.format_timestamp(times.parse_timestamp(_text(value)))


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > limits.ATTRIBUTE_LIST_MAX or not all(isinstance(item, str) for item in value):
        raise Fault("wrong_type", f"This attribute is a list of up to {limits.ATTRIBUTE_LIST_MAX} texts.")
    return value


# Of the types whose cells are no text.
_READERS: Mapping[str, Callable[[str], Any]] = {
    "integer": cells.whole,
    "number": cells.number,
    "boolean": cells.truth,
    "string_list": cells.texts,
}

_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "string_list": _texts,
}
