"""From a caller's JSON to values, compiled once from a schema.

marshmallow's own load visits every field that there is, given or not, through six calls of its own: 150 us for a customer of a dozen
fields, of which reading the values is a tenth. Here is only the way of what is sound. Whatever is not is loaded once more by
marshmallow, so that complaints have one source. That both give the same is tested for every schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import marshmallow
from marshmallow import ValidationError

from app.core.faults import Fault
from app.web import fields

# Any: JSON in, values of any kind out.
Load = Callable[[Mapping[str, Any]], dict[str, Any]]
Read = Callable[[Any], Any]

# No value of JSON's: what a name has that was not given.
_ABSENT: Any = object()


class _Odd(Exception):
    """Not for the short way; whether it is wrong is marshmallow's to say."""


@cache
def compiled(kind: type[marshmallow.Schema]) -> Load:
    """The load of `kind`, which raises what its own would: marshmallow's ValidationError."""
    schema = kind()
    straight = _of_schema(schema)

    def load(data: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return straight(data)  # type: ignore[no-any-return]  # a dict, as a schema's load is
        except (_Odd, Fault, ValidationError):
            pass
        # Outside the handler: the complaint is to have no other behind it.
        return schema.load(data)  # type: ignore[no-any-return]  # marshmallow: anything

    return load


def _of_schema(schema: marshmallow.Schema) -> Read:
    if not _is_plain(schema):
        return schema.load
    # In the order of the fields, which is that of the result, and so of what an event tells: all names, since to sort those that
    # are given costs as much as to ask for the others.
    steps = [
        (field.data_key or name, field.attribute or name, _of_field(field), *_absent(field)) for name, field in schema.load_fields.items()
    ]

    def read(data: Any) -> dict[str, Any]:
        if type(data) is not dict:
            raise _Odd
        found = len(data)
        values: dict[str, Any] = {}
        for name, key, read_one, default, required in steps:
            if name in data:
                values[key] = read_one(data[name])
                found -= 1
            elif default is not _ABSENT:
                values[key] = default
            elif required:
                raise _Odd
        if found:
            # A name that is no field's.
            raise _Odd
        return values

    return read


def _is_plain(schema: marshmallow.Schema) -> bool:
    """Whether `schema` loads one object from its fields alone."""
    # `_hooks` has no public name, and a hook passed over in silence would be a check that is not made.
    return (
        schema.unknown == marshmallow.RAISE
        and not (schema.many or schema.partial or any(schema._hooks.values()))
        and not any(callable(field.load_default) or "." in (field.attribute or "") for field in schema.load_fields.values())
    )


def _absent(field: marshmallow.fields.Field[Any]) -> tuple[Any, bool]:
    """What the field's value is where its name is not given, and whether that may not be."""
    return (_ABSENT if field.load_default is marshmallow.missing else field.load_default), field.required


def _of_field(field: Any) -> Read:
    # By the methods themselves: a class below that has one of its own is asked by it.
    kind: Any = type(field)
    own = kind._deserialize
    if kind.deserialize is not fields.Strict.deserialize or field.validators or field.pre_load or field.post_load:
        return field.deserialize  # type: ignore[no-any-return]  # of a field of any kind
    if own is fields.Parsed._deserialize:
        return _text(field)
    if own is fields.Items._deserialize:
        return _or_none(field, _items(field))
    if own is fields.Part._deserialize and field.unknown is None:
        return _or_none(field, _of_schema(field.schema))
    return _or_none(field, lambda value: field._deserialize(value, None, None))


def _or_none(field: Any, read: Read) -> Read:
    """`read` with what `Strict` says of a value that is none."""
    is_none_allowed = field.allow_none

    def read_or_none(value: Any) -> Any:
        if value is None or value == "":
            if is_none_allowed:
                return None
            raise _Odd
        return read(value)

    return read_or_none


def _text(field: Any) -> Read:
    """The same for texts, which most values are, in one call less."""
    parse, is_none_allowed = field.parse, field.allow_none

    def read(value: Any) -> Any:
        if type(value) is str and (value or not is_none_allowed):
            return parse(value)
        if is_none_allowed and (value is None or value == ""):
            return None
        raise _Odd

    return read


def _items(field: Any) -> Read:
    read_one, finish, least, most = _of_field(field.inner), field.finish, field.least, field.most

    def read(value: Any) -> Any:
        if type(value) is not list or not least <= len(value) <= most:
            raise _Odd
        return finish([read_one(item) for item in value])

    return read
