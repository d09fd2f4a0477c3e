"""From a caller's JSON to values, compiled once from a schema.

marshmallow's own load visits every field that there is, given or not, through six calls of its own: 150 us for a customer of a dozen
fields, of which reading the values is a tenth. Here is only the way of what is sound. Whatever is not is loaded once more by
marshmallow, so that complaints have one source. That both give the same is tested for every schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from textwrap import indent
from typing import Any, NoReturn

import marshmallow
from marshmallow import ValidationError

from app.core.faults import Fault
from app.web import fields

# Any: JSON in, values of any kind out.
Load = Callable[[Mapping[str, Any]], dict[str, Any]]
Read = Callable[[Any], Any]


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
    """A function written for `schema`, as the dataclasses write theirs: a loop over the fields takes twice as long as what it finds."""
    if not _is_plain(schema):
        return schema.load
    names: dict[str, Any] = {"_Odd": _Odd}
    # In the order of the fields, which is that of the result, and so of what an event tells: all names, since to sort those that
    # are given costs as much as to ask for the others.
    steps = [_step(field.data_key or name, field.attribute or name, field, names) for name, field in schema.load_fields.items()]
    source = _FUNCTION.format(steps=indent("".join(steps), "    "))
    # Nothing of a caller's is in it: only our own schemas' names and numbers.
    exec(compile(source, f"<load of {type(schema).__name__}>", "exec"), names)
    return names["read"]  # type: ignore[no-any-return]  # the function just defined


_FUNCTION = """\
def read(data):
    if type(data) is not dict:
        raise _Odd
    values = {{}}
    unsent = 0
{steps}
    # Else there is a name that is no field's.
    if len(values) - unsent != len(data):
        raise _Odd
    return values
"""


def _step(sent: str, kept: str, field: Any, names: dict[str, Any]) -> str:
    """The lines that take what is `sent` under one name, or what stands for it."""
    found = f"if {sent!r} in data:\n    value = data[{sent!r}]\n    values[{kept!r}] = {_value(field, 'value', names)}\n"
    if field.load_default is not marshmallow.missing:
        return f"{found}else:\n    values[{kept!r}] = {_name('default', field.load_default, names)}\n    unsent += 1\n"
    return f"{found}else:\n    raise _Odd\n" if field.required else found


def _value(field: Any, it: str, names: dict[str, Any]) -> str:
    """The expression for what `field` makes of the value called `it`."""
    # By the methods themselves: a class below that has one of its own is asked by it.
    kind: Any = type(field)
    own = kind._deserialize
    if kind.deserialize is not fields.Strict.deserialize or field.validators or field.pre_load or field.post_load:
        return f"{_name('load', field.deserialize, names)}({it})"
    other = f"{_name('none', _none if field.allow_none else _odd, names)}({it})"
    if own is fields.Parsed._deserialize:
        # An empty text is none where there may be none.
        parsed = f"{_name('parse', field.parse, names)}({it}) if type({it}) is str{f' and {it}' if field.allow_none else ''} else {other}"
        return parsed if field.plain_max is None else f"{it} if {_is_plain_text(it, field.plain_max)} else {parsed}"
    if own is fields.Items._deserialize:
        is_list = f"type({it}) is list and {field.least} <= len({it}) <= {field.most}"
        items = f"[{_value(field.inner, 'item', names)} for item in {it}]"
        return f"{_name('finish', field.finish, names)}({items}) if {is_list} else {other}"
    if own is fields.Part._deserialize and field.unknown is None:
        return f"{_name('read', _of_schema(field.schema), names)}({it}) if type({it}) is dict else {other}"
    return f"{_name('load', field._deserialize, names)}({it}, None, None) if {it} is not None and {it} != '' else {other}"


def _is_plain_text(it: str, most: int) -> str:
    return f"type({it}) is str and 0 < len({it}) <= {most} and {it}.isascii() and {it}.isprintable() and {it}[0] != ' ' != {it}[-1]"


def _name(what: str, value: Any, names: dict[str, Any]) -> str:
    """A name by which the function finds `value`, which is that field's `what`."""
    name = f"{what}_{len(names)}"
    names[name] = value
    return name


def _none(value: Any) -> None:
    """What `Strict` says of a value that is none."""
    if value is not None and value != "":
        raise _Odd


def _odd(value: Any) -> NoReturn:
    raise _Odd


def _is_plain(schema: marshmallow.Schema) -> bool:
    """Whether `schema` loads one object from its fields alone."""
    # `_hooks` has no public name, and a hook passed over in silence would be a check that is not made.
    return (
        schema.unknown == marshmallow.RAISE
        and not (schema.many or schema.partial or any(schema._hooks.values()))
        and not any(callable(field.load_default) or "." in (field.attribute or "") for field in schema.load_fields.values())
    )
