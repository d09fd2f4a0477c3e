"""What can be done with definitions. Circles and uses are decided over all of them, so their writers take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.changes.log import Change, append, subject_of
from app.core import limits
from app.core.caller import Caller
from app.core.errors import Conflict, FieldFault, Invalid, NotFound, Outrun
from app.core.ids import new_id
from app.core.preconditions import Precondition
from app.db.unit_of_work import UnitOfWork
from app.rules.catalogue import Catalogue
from app.segments import queries, ruling
from app.segments.definition import DYNAMIC, STATIC, TOLD, Definition
from app.segments.ruling import Named, Sent

# Any: values of a segment's fields.


def create(unit: UnitOfWork, caller: Caller, catalogue: Catalogue, *, data: Mapping[str, Any]) -> UUID:
    """The id of a new segment. Raises Invalid, and Conflict (its name is taken; too many)."""
    kind, sent = data["kind"], ruling.sent(data)
    _check_has_rule(kind, sent)
    rule = ruling.one_of(sent)
    queries.take_turns(unit.connection)
    others = queries.list_definitions(unit.connection)
    if len(others) >= limits.SEGMENTS_MAX:
        raise Conflict("too_many_segments", most=limits.SEGMENTS_MAX)
    segment_id = new_id()
    _check_name(data["name"], others)
    told = Named(None, [], []) if rule is None else ruling.meant(unit, catalogue, rule, others, segment_id=segment_id)
    definition = Definition(
        id=segment_id,
        name=data["name"],
        description=data["description"],
        kind=kind,
        rule_text=told.text,
        attributes=told.attributes,
        segments=told.segments,
        version=1,
        created_at=unit.now,
        updated_at=unit.now,
        xid=unit.xid,
    )
    change = Change("segment.created", _subject(segment_id), None, _told(definition), TOLD)
    queries.insert_definition(unit, caller, change, definition, wanted=1 if kind == DYNAMIC else 0)
    return segment_id


def patch(
    unit: UnitOfWork, caller: Caller, catalogue: Catalogue, *, segment_id: UUID, data: Mapping[str, Any], precondition: Precondition
) -> None:
    """Change what the merge patch changes; nothing where the rule says the same in other words.

    Raises NotFound, PreconditionRequired, PreconditionFailed, Invalid, and Conflict (its name is taken, or named by the rule of another).
    """
    sent = ruling.sent(data)
    before, others = _locked(unit, segment_id, precondition)
    _check_kind(before, data, sent)
    after = replace(before, **{name: data[name] for name in ("name", "description") if name in data})
    rule = ruling.other_than(before, sent)
    if rule is not None:
        told = ruling.meant(unit, catalogue, rule, others, segment_id=segment_id)
        after = replace(after, rule_text=told.text, attributes=told.attributes, segments=told.segments)
    changed = tuple(name for name in TOLD if getattr(before, name) != getattr(after, name))
    if not changed:
        return
    users = ruling.users(before, others)
    if "name" in changed:
        _check_unused(before, others)
        _check_name(after.name, others)
    after = replace(after, version=before.version + 1, updated_at=max(unit.now, before.updated_at), xid=unit.xid)
    if rule is not None:
        ruling.check_users(after, rule, others)
        queries.raise_wanted(unit.connection, {segment_id, *(one.id for one in users)})
    was = {name: getattr(before, name) for name in changed}
    is_now = {name: getattr(after, name) for name in (*changed, "version", "updated_at")}
    if not queries.update_definition(unit, caller, Change("segment.updated", _subject(segment_id), was, is_now, changed), after):
        raise Outrun


def delete(unit: UnitOfWork, caller: Caller, *, segment_id: UUID, precondition: Precondition) -> None:
    """Remove the segment for good; nobody is told to leave it.

    Raises NotFound, PreconditionRequired, PreconditionFailed, and Conflict where another's rule names it.
    """
    before, others = _locked(unit, segment_id, precondition)
    _check_unused(before, others)
    if not queries.delete_definition(unit, segment_id):
        raise Outrun
    append(unit, caller, [Change("segment.deleted", _subject(segment_id), _told(before), None, TOLD)])


def _locked(unit: UnitOfWork, segment_id: UUID, precondition: Precondition) -> tuple[Definition, list[Definition]]:
    """The segment and the others, as they stay up to the end of the transaction."""
    queries.take_turns(unit.connection)
    definitions = queries.list_definitions(unit.connection)
    found = next((one for one in definitions if one.id == segment_id), None)
    if found is None:
        raise NotFound
    precondition.check(found.version)
    return found, [one for one in definitions if one.id != segment_id]


def _check_has_rule(kind: str, sent: Sequence[Sent]) -> None:
    if kind == DYNAMIC and not sent:
        raise Invalid([FieldFault("/rule", "required", "A dynamic segment has a `rule`, or the same as `rule_text`.")])
    if kind == STATIC and sent:
        raise Invalid([FieldFault(sent[0].pointer, "not_allowed", "A static segment has no rule: its members are put into it.")])


def _check_kind(before: Definition, data: Mapping[str, Any], sent: Sequence[Sent]) -> None:
    if data.get("kind", before.kind) != before.kind:
        raise Invalid([FieldFault("/kind", "kind_fixed", f"The segment is {before.kind} and stays so: make another one.")])
    cleared = [name for name in ("rule", "rule_text") if name in data and data[name] is None]
    if before.kind == STATIC or (cleared and not sent):
        _check_has_rule(before.kind, sent)


def _check_name(name: str, others: Sequence[Definition]) -> None:
    taken = next((one for one in others if one.name == name), None)
    if taken is not None:
        raise Conflict("segment_name_taken", name=name, existing_id=taken.id)


def _check_unused(definition: Definition, others: Sequence[Definition]) -> None:
    """By those who name it themselves: once they do not, those who name them are no matter."""
    users = [one for one in others if definition.id in one.segments]
    if users:
        raise Conflict("segment_in_use", used_by=[{"id": one.id, "name": one.name} for one in users])


def _told(definition: Definition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in TOLD}


def _subject(segment_id: UUID) -> str:
    return subject_of("segments", segment_id)
