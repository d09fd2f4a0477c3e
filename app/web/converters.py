"""What may stand in the variable parts of an address."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter

from app.core import limits

# No id is ever made like this one, so what is no id is looked up, not found, and answered 404 in its turn: after 401, 403 and 422.
_NO_ID = uuid.UUID(int=0)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


class IdConverter(BaseConverter):
    """An id of ours. The names of other addresses beside it are none, so that a wrong method there is 405."""

    regex = r"(?!(?:batch|lookup|import|export|search|preview)(?:/|\Z))[^/]+"

    def to_python(self, value: str) -> uuid.UUID:
        return uuid.UUID(value) if _UUID.match(value) else _NO_ID


class SourceConverter(BaseConverter):
    """A source's name, not yet checked. NUL is part of no address: 404."""

    regex = r"[^/\x00]+"


class NameConverter(BaseConverter):
    """A custom attribute's name, not yet checked. NUL is part of no address: 404."""

    regex = r"[^/\x00]+"


class ExternalIdConverter(BaseConverter):
    """An external id: everything up to the end of the address, slashes included. NUL is no part of any id: 404."""

    regex = r"(?s:[^\x00]+)"
    part_isolating = False


def install(app: Flask) -> None:
    app.url_map.converters.update(id=IdConverter, source=SourceConverter, name=NameConverter, external_id=ExternalIdConverter)
    # gid://shopify/Customer/1 has two slashes in a row that are its own.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True


def describe(api: Any) -> None:  # Any: flask_smorest ships no types
    api.register_converter(IdConverter, lambda _: {"type": "string", "format": "uuid"})
    api.register_converter(
        SourceConverter,
        lambda _: {"type": "string", "maxLength": limits.SOURCE_MAX, "pattern": f"^[a-z0-9_.-]{{1,{limits.SOURCE_MAX}}}$"},
    )
    api.register_converter(
        NameConverter,
        lambda _: {
            "type": "string",
            "maxLength": limits.ATTRIBUTE_NAME_MAX,
            "pattern": f"^[A-Za-z][A-Za-z0-9_]{{0,{limits.ATTRIBUTE_NAME_MAX - 1}}}$",
        },
    )
    api.register_converter(
        ExternalIdConverter,
        lambda _: {
            "type": "string",
            "minLength": 1,
            "maxLength": limits.EXTERNAL_ID_MAX,
            "description": "Percent-encoded; slashes may stand as they are.",
        },
    )
