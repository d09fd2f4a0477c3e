"""Rules in queries, bodies and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError
from marshmallow import fields as marshmallow_fields

from app.core import limits
from app.core.faults import Fault
from app.web import fields
from app.web.schemas import Schema

# Any: JSON.


_NAMES = "`GET /v1/attributes` lists what it may name."
_NESTING = f"As JSON it may have {limits.RULE_NESTING_MAX} levels of objects and lists: about two for each operator inside of another."


class RuleJson(fields.Strict, marshmallow_fields.Dict):
    """A rule in CQL2 JSON, read where its names are known; its schema has to say `numbers = "decimal"`."""

    @property
    def openapi(self) -> Mapping[str, Any]:  # type: ignore[override]  # of the others it is the same for all of a class
        return {
            # `true` alone is a rule too: of everybody.
            "type": ["object", "boolean", "null"] if self.allow_none else ["object", "boolean"],
            "description": f"A rule in CQL2 JSON; {_NAMES} {_NESTING}",
            "additionalProperties": True,
            "examples": [{"op": "=", "args": [{"property": "country"}, "CN"]}],
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict | bool):
            told = "This has to be an object of CQL2 JSON; a rule in text goes into `filter=` or `rule_text`."
            raise ValidationError([Fault("wrong_type", told)])
        return value


def rule_text(example: str) -> fields.Parsed:
    """The parameter `filter` of a list."""
    return fields.Parsed(
        str,
        {"maxLength": limits.RULE_TEXT_MAX, "examples": [example]},
        load_default=None,
        metadata={"description": f"A rule in CQL2 text; {_NAMES} {_NESTING}"},
    )


class SearchSchema(Schema):
    """What is asked for by a body wherever there is a search."""

    numbers = "decimal"

    filter = RuleJson(load_default=None, allow_none=True)
    limit = fields.Whole(least=1, most=limits.PAGE_MAX, load_default=limits.PAGE_DEFAULT, metadata={"default": limits.PAGE_DEFAULT})
    cursor = fields.Parsed(str, load_default=None, allow_none=True, metadata={"description": "`next_cursor` of the page before; opaque."})
    count = fields.Choice("exact", load_default=None, allow_none=True, metadata={"description": "`exact` adds `total`."})


def chosen_names(kind: type[Schema]) -> fields.Items:
    """The member `fields` of a search whose items are of `kind`."""
    shown = tuple(kind._declared_fields)
    return fields.Items(
        fields.Choice(*shown),
        most=len(shown),
        data_key="fields",
        load_default=None,
        allow_none=True,
        metadata={"description": "Names of fields; `id` is always there."},
    )
