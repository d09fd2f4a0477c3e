"""The fields of all schemas: each refuses what cannot be kept and says why as a Fault, and describes itself for the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, NoReturn
from uuid import UUID

import marshmallow
from marshmallow import ValidationError, fields

from app.core import attributes, codes, contact_points, limits, text, times
from app.core.faults import Fault

# Any: marshmallow's own signatures are untyped where a value may be anything.

_INT64 = 2**63
_SOURCE = re.compile(rf"[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


TOO_MANY_MEMBERS = Fault("too_many_members", f"This may have {limits.MEMBERS_MAX} members.")


class Strict:
    """Mixed into every field: faults instead of marshmallow's sentences, and an empty text taken for none."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "required": Fault("required", "This field is required."),
        "null": Fault("null", "This field cannot be null."),
        "invalid": Fault("wrong_type", "This is not of the type that the field has."),
        "type": Fault("wrong_type", "This has to be an object."),
    }
    # What the type alone does not say in the document.
    openapi: Mapping[str, Any] = {}

    def make_error(self, key: str, **_: Any) -> ValidationError:
        messages: dict[str, Any] = self.error_messages  # type: ignore[attr-defined]  # the field's, made of the class's above
        return ValidationError([messages[key]])

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        # Shops send "" for what they do not know; a field without a value is null.
        if value == "" and self.allow_none:  # type: ignore[attr-defined]  # the field's
            value = None
        return super().deserialize(value, attr, data, **kwargs)  # type: ignore[misc]  # the field's


def _refuse(code: str, detail: str) -> NoReturn:
    raise ValidationError([Fault(code, detail)])


class Parsed(Strict, fields.String):
    """A text that `parse` turns into a value, or refuses by a Fault.

    `plain_max`: up to so many characters it leaves every text as it is that is printable ASCII without a space at either end.
    """

    def __init__(
        self, parse: Callable[[str], Any], openapi: Mapping[str, Any] | None = None, *, plain_max: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.parse = parse
        self.plain_max = plain_max
        self.openapi = openapi or {}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            _refuse("wrong_type", "This has to be text.")
        try:
            return self.parse(value)
        except Fault as fault:
            raise ValidationError([fault]) from fault

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else str(value)


class Line(Parsed):
    """Text of one line; `pattern` is what it has to look like, said by `shape`."""

    def __init__(self, max_length: int, *, pattern: re.Pattern[str] | None = None, shape: str = "", **kwargs: Any) -> None:
        def parse(value: str) -> str:
            cleaned = text.clean_line(value, max_length=max_length)
            if cleaned == "":
                raise Fault("empty", "This cannot be empty.")
            if pattern is not None and not pattern.match(cleaned):
                raise Fault("wrong_shape", f"This has to be {shape}.")
            return cleaned

        openapi: dict[str, Any] = {"maxLength": max_length}
        if pattern is not None:
            openapi["pattern"] = f"^{pattern.pattern.removesuffix(chr(92) + 'Z')}$"
        super().__init__(parse, openapi, plain_max=max_length if pattern is None else None, **kwargs)


class Email(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(contact_points.normalise_email, {"format": "email", "maxLength": limits.EMAIL_MAX}, **kwargs)


class Phone(Parsed):
    """A phone number as written; it becomes E.164 where the customer's country is known, in the service."""

    def __init__(self, **kwargs: Any) -> None:
        def parse(value: str) -> str:
            if len(value) > limits.PHONE_INPUT_MAX:
                raise Fault("too_long", f"This may have {limits.PHONE_INPUT_MAX} characters.")
            # Shops really send format characters around numbers; what else is in there has to be text all the same.
            return text.clean_line(contact_points.without_format_characters(value), max_length=limits.PHONE_INPUT_MAX)

        super().__init__(parse, {"maxLength": limits.PHONE_INPUT_MAX}, **kwargs)


class Timestamp(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(times.parse_timestamp, {"format": "date-time"}, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else times.format_timestamp(value)


class Date(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(times.parse_date, {"format": "date"}, **kwargs)


class Id(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        def parse(value: str) -> UUID:
            if not _UUID.match(value):
                raise Fault("invalid_id", "This is no id of ours.")
            return UUID(value)

        super().__init__(parse, {"format": "uuid"}, **kwargs)


class Choice(Parsed):
    """One of a closed list."""

    def __init__(self, *values: str, **kwargs: Any) -> None:
        def parse(value: str) -> str:
            if value not in values:
                raise Fault("not_a_choice", f"This has to be one of {', '.join(values)}.")
            return value

        # With null among the values where null may be sent: JSON Schema's enum is about the value, whatever its type.
        listed = [*values, None] if kwargs.get("allow_none") else list(values)
        super().__init__(parse, {"enum": listed}, **kwargs)


class Country(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        def parse(value: str) -> str:
            if codes.is_country(value):
                return value
            # ASCII only: in upper case U+017F is an S.
            code = value.strip().upper() if value.isascii() and len(value) < limits.SHORT_TEXT_MAX else ""
            if not codes.is_country(code):
                raise Fault("unknown_country", "This is no ISO 3166-1 alpha-2 country code.")
            return code

        super().__init__(parse, {"minLength": 2, "maxLength": 2, "examples": ["CN"]}, **kwargs)


class TimeZone(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        def parse(value: str) -> str:
            if not codes.is_time_zone(value):
                raise Fault("unknown_time_zone", "This is no name of the IANA time zone database, such as Asia/Shanghai.")
            return value

        super().__init__(parse, {"examples": ["Asia/Shanghai"]}, **kwargs)


class Locale(Parsed):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(codes.normalise_locale, {"examples": ["zh-Hans-CN"]}, **kwargs)


class Whole(Strict, fields.Integer):
    """A whole number as JSON has it: no text, no 3.0, no true."""

    def __init__(self, *, least: int = -_INT64, most: int = _INT64 - 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._least = least
        self._most = most
        self.openapi = {"minimum": least, "maximum": most}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            _refuse("wrong_type", "This has to be a whole number.")
        if not self._least <= value <= self._most:
            _refuse("out_of_range", f"This has to be from {self._least} to {self._most}.")
        return value


class QueryWhole(Whole):
    """A whole number in a query string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        # Twenty digits hold every number we take; int() of a long text would be slow.
        if not re.match(r"-?[0-9]{1,20}\Z", value):
            _refuse("wrong_type", "This has to be a whole number.")
        return super()._deserialize(int(value), attr, data, **kwargs)


class Truth(Strict, fields.Boolean):
    """true or false, nothing that only looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            _refuse("wrong_type", "This has to be true or false.")
        return value


class Items(Strict, fields.List[Any]):
    """A list of at most `most` items."""

    def __init__(self, inner: fields.Field[Any], *, most: int, least: int = 0, unique: bool = False, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.most = most
        self.least = least
        self._unique = unique
        self.openapi = {"maxItems": most} | ({"minItems": least} if least else {})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            _refuse("wrong_type", "This has to be a list.")
        # Before the items are looked at: ten thousand of them would each cost a check.
        if not self.least <= len(value) <= self.most:
            _refuse("wrong_count", f"This may have {self.least} to {self.most} items.")
        return self.finish(super()._deserialize(value, attr, data, **kwargs))

    def finish(self, items: list[Any]) -> list[Any]:
        """What becomes of the items when each of them is read. Raises ValidationError."""
        return list(dict.fromkeys(items)) if self._unique else items


class Part(Strict, fields.Nested):
    """An object inside an object."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if isinstance(value, dict) and len(value) > limits.MEMBERS_MAX:
            raise ValidationError([TOO_MANY_MEMBERS])
        return super()._deserialize(value, attr, data, partial=partial, **kwargs)


class Written(Part):
    """An object that the database wrote as JSON; it goes out as it is."""

    def _serialize(self, nested_obj: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # as fields.Nested has it
        return nested_obj


class SameRow(Part):
    """An object in the answer whose values stand beside the others in the row."""

    def get_value(self, obj: Any, attr: str, accessor: Any = None, default: Any = marshmallow.missing) -> Any:
        return obj


class ExternalIds(Strict, fields.Dict):
    """`{source: id}`; null detaches."""

    openapi: Mapping[str, Any] = {
        "maxProperties": limits.EXTERNAL_IDS_MAX,
        "additionalProperties": {"type": ["string", "null"], "maxLength": limits.EXTERNAL_ID_MAX},
        "examples": [{"shopify": "gid://shopify/Customer/1"}],
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str | None]:
        return _map(value, limits.EXTERNAL_IDS_MAX, check_source, lambda item: None if item is None else clean_external_id(item))


class Attributes(Strict, fields.Dict):
    """`{name: value}`, a value being text, a number, true, false or a list of texts; null takes the attribute away."""

    openapi: Mapping[str, Any] = {
        "maxProperties": limits.ATTRIBUTES_MAX,
        "additionalProperties": {
            "description": "Text, a number, true, false, null (in a change: takes the attribute away) or a list of texts."
        },
        "examples": [{"loyalty_tier": "gold"}],
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        return _map(value, limits.ATTRIBUTES_MAX, attributes.check_name, attributes.clean_value)


# Names, unlike values, are the same few in every customer.
@lru_cache(maxsize=1024)
def check_source(value: str) -> str:
    """A source's name. Raises Fault."""
    if not _SOURCE.match(value):
        raise Fault("invalid_source", "A source is 1 to 64 of a-z, 0-9, `_`, `.` and `-`.")
    return value


def clean_external_id(value: Any) -> str:
    """An external id as it is kept. Raises Fault."""
    if not isinstance(value, str):
        raise Fault("wrong_type", "An external id is text; put a number into quotes.")
    # Nearly all: nothing to compose, to strip or to refuse.
    if 0 < len(value) <= limits.EXTERNAL_ID_MAX and value.isascii() and value.isprintable() and value[0] != " " != value[-1]:
        return value
    cleaned = text.clean_line(value, max_length=limits.EXTERNAL_ID_MAX)
    # Cut off in silence, they would make one customer of two that differ by them.
    if value != value.strip():
        raise Fault("surrounding_space", "An external id cannot begin or end with white space.")
    if cleaned == "":
        raise Fault("empty", "An external id cannot be empty.")
    return cleaned


def e164(value: str) -> str:
    """A phone number that names its country. Raises Fault."""
    return contact_points.normalise_phone(value, region=None)


def _map(value: Any, most: int, key: Callable[[str], str], item: Callable[[Any], Any]) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse("wrong_type", "This has to be an object.")
    if len(value) > most:
        _refuse("wrong_count", f"This may have {most} members.")
    result: dict[str, Any] = {}
    faults: dict[str, list[Fault]] = {}
    for name, content in value.items():
        try:
            result[key(name)] = item(content)
        except Fault as fault:
            faults[name] = [fault]
    if faults:
        raise ValidationError(faults)
    return result
