"""What can be done with definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection

from app.attributes import indexing, queries
from app.attributes.definition import Definition
from app.core import limits
from app.core.errors import Conflict, FieldFault, Invalid, NotFound, Outrun
from app.core.preconditions import Precondition
from app.db.unit_of_work import UnitOfWork

# Any: columns of a definition.

# Who names an attribute, each by its id and name, for people.
Uses = Callable[[Connection, str], Sequence[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Shown(Definition):
    """A definition and the state of its index: none, building or ready."""

    index: str


def get(db: Connection, *, name: str) -> Shown:
    """Raises NotFound."""
    return _shown(db, _found(queries.get_definition_by_name(db, name)))


def put(unit: UnitOfWork, *, name: str, data: Mapping[str, Any], precondition: Precondition) -> tuple[Shown, bool]:
    """The definition as it is now, and whether it is new. Values that are there already are not looked at.

    Raises Invalid, PreconditionRequired, PreconditionFailed, and Conflict (another type; too many definitions).
    """
    _check_choices(data)
    before = queries.lock_definition_by_name(unit.connection, name)
    if before is None:
        precondition.check_absent()
        return _shown(unit.connection, _create(unit, name, data)), True
    precondition.check(before.version)
    if data["type"] != before.type:
        raise Conflict("attribute_type_fixed", name=name, defined_as=before.type)
    after = replace(before, **data)
    if after != before:
        after = replace(after, version=before.version + 1, updated_at=max(unit.now, before.updated_at))
        queries.update_definition(unit.connection, name, values=_columns(after))
    if (after.choices, after.required, after.indexed) != (before.choices, before.required, before.indexed):
        queries.renew_edition(unit.connection)
    return _shown(unit.connection, after), False


def delete(unit: UnitOfWork, *, name: str, uses: Uses, precondition: Precondition) -> None:
    """Retire the definition; values stay where they are, as those of an undefined attribute.

    `uses`: what names it, and shares its row before it does. Raises NotFound, the precondition's, and Conflict where something does.
    """
    before = _found(queries.lock_definition_by_name(unit.connection, name))
    precondition.check(before.version)
    used_by = uses(unit.connection, name)
    if used_by:
        raise Conflict("attribute_in_use", name=name, used_by=used_by)
    queries.delete_definition(unit.connection, name)
    queries.renew_edition(unit.connection)


def _create(unit: UnitOfWork, name: str, data: Mapping[str, Any]) -> Definition:
    if queries.count_definitions(unit.connection) >= limits.DEFINITIONS_MAX:
        raise Conflict("too_many_attributes", most=limits.DEFINITIONS_MAX)
    made = Definition(**data, name=name, version=1, created_at=unit.now, updated_at=unit.now)
    if not queries.insert_definition(unit.connection, values=_columns(made)):
        # Somebody else defined it since we looked.
        raise Outrun
    queries.renew_edition(unit.connection)
    return made


def _check_choices(data: Mapping[str, Any]) -> None:
    is_enum = data["type"] == "enum"
    if is_enum != (data["choices"] is not None):
        told = "The values are listed where the type is enum, and only there."
        raise Invalid([FieldFault("/enum", "required" if is_enum else "not_allowed", told)])


def _found(definition: Definition | None) -> Definition:
    if definition is None:
        raise NotFound
    return definition


def _shown(db: Connection, definition: Definition) -> Shown:
    return Shown(**_columns(definition), index=indexing.states(db, [definition]).get(definition.name, "none"))


def _columns(definition: Definition) -> dict[str, Any]:
    return {field.name: getattr(definition, field.name) for field in fields(definition)}
