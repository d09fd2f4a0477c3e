"""Rules in bodies and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from app.core.faults import Fault
from app.web.fields import Strict

# Any: JSON.


class RuleJson(Strict, fields.Dict):
    """A rule in CQL2 JSON, read where its names are known; its schema has to say `numbers = "decimal"`."""

    openapi: Mapping[str, Any] = {
        "description": "A rule in CQL2 JSON; `GET /v1/attributes` lists what it may name.",
        "additionalProperties": True,
        "examples": [{"op": "=", "args": [{"property": "country"}, "CN"]}],
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            told = "This has to be an object of CQL2 JSON; a rule in text goes into `filter=` or `rule_text`."
            raise ValidationError([Fault("wrong_type", told)])
        return value
