"""What all imports take in their query."""

from __future__ import annotations

from app.web import fields
from app.web.schemas import QuerySchema


class ImportQuerySchema(QuerySchema):
    report = fields.Choice(
        "all",
        "errors",
        load_default="all",
        metadata={"default": "all", "description": "`errors`: result lines of failures only, and the summary."},
    )
