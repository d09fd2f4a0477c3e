"""Everything that a rule may name, as rows for people and for programs that build rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from app.attributes import catalogue as attributes
from app.attributes import queries
from app.rules.catalogue import Catalogue
from app.rules.types import OPERATORS, Type

# Any: JSON.


def list_names(db: Connection, catalogue: Catalogue, *, of: str) -> list[dict[str, Any]]:
    """What rules about rows `of` a kind may name: fields and metrics, then custom attributes where they have any, then functions."""
    attributed = any(isinstance(provider, attributes.AttributeNames) for provider in catalogue.providers)
    found = [*_names(catalogue), *(_attributes(db) if attributed else ()), *_functions(catalogue)]
    return [row | {"of": of} for row in found]


def _names(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for name in catalogue.names.values():
        yield _row(name.name, name.kind, name.type, name.meaning, enum=list(name.choices) or None)
    for family in catalogue.families.values():
        yield _row(f"{family.prefix}<{family.rest}>", family.kind, family.type, family.meaning)


def _attributes(db: Connection) -> Iterator[dict[str, Any]]:
    for definition in queries.list_definitions(db).by_name.values():
        name, kind = attributes.PREFIX + definition.name, attributes.TYPES[definition.type]
        yield _row(name, "attribute", kind, definition.description or "A custom attribute.", enum=definition.choices)


def _functions(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for function in catalogue.functions.values():
        told = [{"name": one.name, "types": [kind.value for kind in one.types]} for one in function.parameters]
        operators = () if function.result is Type.BOOLEAN else OPERATORS[function.result]
        row = _row(function.name, "function", function.result, function.meaning, parameters=told)
        yield row | {"operators": list(operators)}


def _row(
    name: str, kind: str, of: Type, meaning: str, *, enum: list[str] | None = None, parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "type": of.value,
        "operators": list(OPERATORS[of]),
        "meaning": meaning,
        "enum": enum,
        "parameters": parameters,
    }
