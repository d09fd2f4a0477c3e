"""Attributes in the catalogue of rules: looked up for each rule that names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.attributes import expressions, queries
from app.attributes.definition import Definition, Definitions
from app.core.faults import Fault
from app.rules.catalogue import Entries, Family, Name, names_below
from app.rules.errors import nearest, shown
from app.rules.tree import Condition
from app.rules.types import Type

# Any: a JSONB column.

PREFIX = "attributes."

TYPES = {
    "string": Type.STRING,
    "enum": Type.STRING,
    "integer": Type.INTEGER,
    "number": Type.NUMBER,
    "boolean": Type.BOOLEAN,
    "date": Type.DATE,
    "timestamp": Type.TIMESTAMP,
    "string_list": Type.STRING_LIST,
}


@dataclass(frozen=True, slots=True)
class AttributeNames:
    """The attributes kept in `column`, as a provider of names."""

    column: Any

    def entries(self, db: Connection, rule: Condition) -> Entries:
        named_here = names_below(PREFIX, rule)
        if not named_here:
            return Entries()
        definitions = queries.list_definitions(db)
        known = (definitions.by_name[name] for name in sorted(named_here) if name in definitions.by_name)
        edition = tuple((one.name, one.type, one.indexed) for one in known)
        return Entries(families=(family(self.column, definitions),), edition=edition)


def family(column: Any, definitions: Definitions) -> Family:
    """All names of attributes; one that is not defined says how to define it."""

    def find(name: str) -> Name:
        definition = definitions.by_name.get(name)
        if definition is None:
            raise Fault(
                "attribute_undefined",
                f"There is no attribute `{shown(name)}` defined.{nearest(name, definitions.by_name)} Define it first:"
                f' PUT /v1/attributes/{shown(name)} with its type, such as {{"type": "string"}}.',
            )
        return named(column, definition)

    return Family(
        prefix=PREFIX,
        rest="name",
        type=Type.STRING,
        meaning="A custom attribute, of its own type.",
        kind="attribute",
        find=find,
    )


def named(column: Any, definition: Definition) -> Name:
    is_list = definition.type == "string_list"
    found = expressions.texts(column, definition.name) if is_list else expressions.scalar(column, definition)
    return Name(
        name=PREFIX + definition.name,
        type=TYPES[definition.type],
        meaning=definition.description or "A custom attribute.",
        kind="attribute",
        sql=found,
    )
