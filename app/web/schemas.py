"""What all schemas have in common, and the way from a schema's complaints to the faults of a problem document."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, Literal

import marshmallow
from marshmallow import ValidationError

from app.core import limits
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.web import fields, load

# Any: marshmallow's data and error trees.

_UNKNOWN = Fault("unknown_field", "There is no such field here.")


class Schema(marshmallow.Schema):
    """The base of all: an unknown name is refused, never ignored."""

    # What the gate makes of numbers that are not whole: "decimal" in bodies that hold a rule.
    numbers: ClassVar[Literal["float", "decimal"]] = "float"

    class Meta:
        unknown = marshmallow.RAISE

    error_messages = {
        "unknown": _UNKNOWN,  # type: ignore[dict-item]  # marshmallow passes any object on
        "type": Fault("wrong_type", "This has to be an object."),  # type: ignore[dict-item]
    }


class AnswerSchema(Schema):
    """The base of what is answered: every field is there, null where it has no value."""

    # Names that may be missing all the same.
    opt_in: ClassVar[frozenset[str]] = frozenset()

    def on_bind_field(self, field_name: str, field_obj: marshmallow.fields.Field[Any]) -> None:
        field_obj.required = field_name not in self.opt_in


class QuerySchema(Schema):
    """The base of query strings; every parameter stands at most once.

    One without a value is refused: `?email=` comes of a value that got lost, and must not be answered with everybody.
    """

    def on_bind_field(self, field_name: str, field_obj: marshmallow.fields.Field[Any]) -> None:
        field_obj.allow_none = False


class PageQuerySchema(QuerySchema):
    limit = fields.QueryWhole(
        least=1,
        most=limits.PAGE_MAX,
        load_default=limits.PAGE_DEFAULT,
        metadata={"description": "Items a page.", "default": limits.PAGE_DEFAULT},
    )
    # Whatever it holds, it is not ours or it is: 400, and no complaint about its characters.
    cursor = fields.Parsed(str, load_default=None, metadata={"description": "`next_cursor` of the page before; opaque."})


def chosen_fields(kind: type[Schema]) -> fields.Parsed:
    """The parameter `fields` of a list whose items are of `kind`."""
    shown = kind._declared_fields

    def parse(value: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(["id", *value.split(",")]))
        unknown = [name for name in names if name not in shown]
        if unknown:
            raise Fault("unknown_field", f"There is no field {unknown[0][:64]!r}.")
        return names

    return fields.Parsed(
        parse,
        data_key="fields",
        load_default=None,
        metadata={"description": "Names of fields, separated by commas; `id` is always there."},
    )


class FieldFaultSchema(AnswerSchema):
    opt_in = frozenset({"position"})

    pointer = fields.Parsed(str, metadata={"description": "An RFC 6901 pointer into the body, or `query.<name>` or `path.<name>`."})
    code = fields.Parsed(str, metadata={"description": "For programs; open list."})
    detail = fields.Parsed(str)
    position = fields.Whole(least=0, metadata={"description": "Of a rule in text: the character that is meant, counted from 0."})


class ProblemSchema(AnswerSchema):
    """An RFC 9457 problem document; `code` tells problems apart, and what else is needed to act stands beside it as data."""

    class Meta(AnswerSchema.Meta):
        # Data of the single problems, such as existing_id, may join.
        unknown = marshmallow.INCLUDE

    opt_in = frozenset({"errors"})

    type = fields.Parsed(str, metadata={"description": "`urn:kehu:problem:<code>`"})
    title = fields.Parsed(str)
    status = fields.Whole(least=400, most=599)
    detail = fields.Parsed(str)
    code = fields.Parsed(str, metadata={"description": "For programs; open list."})
    request_id = fields.Parsed(str)
    errors = marshmallow.fields.List(fields.Part(FieldFaultSchema), metadata={"description": "With 422: each value that was refused."})


def load_body(schema: Schema, data: Mapping[str, Any]) -> Any:
    """What `schema` makes of a body. Raises Invalid with a pointer for each fault."""
    if len(data) > limits.MEMBERS_MAX:
        raise Invalid([FieldFault("", fields.TOO_MANY_MEMBERS.code, fields.TOO_MANY_MEMBERS.detail)])
    return _load(schema, data, "")


def load_query(schema: Schema, data: Mapping[str, str]) -> Any:
    """What `schema` makes of a query string. Raises Invalid with `query.<name>` for each fault."""
    return _load(schema, data, "query.")


def _load(schema: Schema, data: Mapping[str, Any], prefix: str) -> Any:
    try:
        return load.compiled(type(schema))(data)
    except ValidationError as error:
        # Each unknown name is compared with all known ones: a body full of them would keep us busy for seconds.
        raise Invalid(list(islice(_flatten(error.messages, schema, prefix, ()), limits.FAULTS_MAX))) from error


def _flatten(tree: Any, schema: Schema | None, prefix: str, path: tuple[str, ...]) -> Iterator[FieldFault]:
    if isinstance(tree, dict):
        for name, branch in tree.items():
            if name == marshmallow.exceptions.SCHEMA and schema is not None and branch != [_UNKNOWN]:
                # Of the object itself; but callers may send a member of that name, and a map below has no schema.
                yield from _flatten(branch, schema, prefix, path)
            elif isinstance(name, int) or branch == [_UNKNOWN]:
                # Still the same schema's names.
                yield from _flatten(branch, schema, prefix, (*path, str(name)))
            else:
                yield from _flatten(branch, _schema_below(schema, str(name)), prefix, (*path, str(name)))
        return
    for fault in tree:
        code, detail = (fault.code, fault.detail) if isinstance(fault, Fault) else ("invalid", str(fault))
        if fault is _UNKNOWN and schema is not None:
            detail = _nearest(path[-1], schema, query=bool(prefix))
            code = "unknown_parameter" if prefix else code
        yield FieldFault(prefix + path[-1] if prefix else "".join(f"/{_escape(step)}" for step in path), code, detail)


def _schema_below(schema: Schema | None, name: str) -> Schema | None:
    field = schema.fields.get(name) if schema is not None else None
    if isinstance(field, marshmallow.fields.List):
        field = field.inner
    below = field.schema if isinstance(field, marshmallow.fields.Nested) else None
    return below if isinstance(below, Schema) else None


def _nearest(name: str, schema: Schema, *, query: bool) -> str:
    thing = "parameter" if query else "field"
    known = [field.data_key or key for key, field in schema.load_fields.items()]
    read_only = name in schema.fields and name not in schema.load_fields
    if read_only:
        return "This field is read-only."
    found = difflib.get_close_matches(name[:100], known, n=1)
    return f"There is no such {thing} here." + (f" Did you mean `{found[0]}`?" if found else "")


def _escape(step: str) -> str:
    """RFC 6901, section 3."""
    return step.replace("~", "~0").replace("/", "~1")
