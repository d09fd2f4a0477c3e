"""External ids as they stand in an address."""

from __future__ import annotations

from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.core.syncing import ExternalKey
from app.web import fields


def of_path(source: str, external_id: str) -> ExternalKey:
    """The key that `.../by/{source}/{external_id}` names. Raises Invalid, with `path.<name>` for each fault."""
    faults = []
    for name, check, value in (("source", fields.check_source, source), ("external_id", fields.clean_external_id, external_id)):
        try:
            check(value)
        except Fault as fault:
            faults.append(FieldFault(f"path.{name}", fault.code, fault.detail))
    if faults:
        raise Invalid(faults)
    return ExternalKey(source, fields.clean_external_id(external_id))
