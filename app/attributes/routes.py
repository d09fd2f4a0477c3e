"""The addresses of attributes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask.views import MethodView

from app.attributes import indexing, listing, schemas, service
from app.attributes.service import Shown
from app.core import attributes
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, Write, runtime

blp = Blueprint("attributes", __name__, url_prefix="/v1/attributes", description="What rules may name, and custom attributes")

# Any: what the schemas load.


@blp.route("")
class Names(MethodView):
    @blp.reads("list_attributes", scope="customers:read", query=schemas.NameQuerySchema, answer=schemas.NamePageSchema)
    def get(self, call: Read, query: dict[str, Any]) -> Answer:
        """List what rules may name

        Of customers, or of interactions with `of=contact_history`: every field, metric, custom attribute and function, with its type, its
        operators and its meaning: what a program needs that lets people build rules.
        """
        of = query["of"]
        return Answer(dumped={"data": listing.list_names(call.db, runtime().catalogues[of], of=of), "next_cursor": None})


@blp.route("/<name:attribute>")
class OneAttribute(MethodView):
    @blp.reads("get_attribute", scope="customers:read", answer=schemas.AttributeSchema, refuses=(404,), tagged=True)
    def get(self, call: Read, attribute: str) -> Answer:
        """Show a custom attribute"""
        return _answer(service.get(call.db, name=attribute))

    @blp.writes(
        "put_attribute",
        scope="customers:write",
        body=schemas.AttributePutSchema,
        answer=schemas.AttributeSchema,
        also={HTTPStatus.CREATED: "It was not defined before."},
        refuses=(409,),
        versioned=True,
    )
    def put(self, call: Write, attribute: str, body: dict[str, Any]) -> Answer:
        """Define a custom attribute

        From then on its values are checked on every way in, and rules may name it. Values that are there already stay as they are; one
        that is not of the type counts as none. The type cannot be changed (409 `attribute_type_fixed`). An index is built in the
        background, and writes go on meanwhile.

        Whole numbers are exact up to 64 bits; other numbers are IEEE 754 doubles, as most programs read JSON.
        """
        _check_name(attribute)
        shown, is_new = service.put(call.unit, name=attribute, data=body, precondition=call.precondition)
        if shown.index == "building" or not (is_new or shown.indexed):
            call.unit.afterwards.append(_index)
        return _answer(shown, status=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @blp.writes("delete_attribute", scope="customers:write", answer=None, status=HTTPStatus.NO_CONTENT, refuses=(404, 409), versioned=True)
    def delete(self, call: Write, attribute: str) -> Answer:
        """Retire a custom attribute

        Its values stay, no longer checked; rules may not name it any more. Where the rule of a segment does, 409 `attribute_in_use`.
        """
        service.delete(call.unit, name=attribute, uses=runtime().attribute_uses, precondition=call.precondition)
        call.unit.afterwards.append(_index)
        return Answer()


def _index() -> None:
    config = runtime().config
    if config.database_url is not None:
        indexing.start(config.database_url, config)


def _answer(shown: Shown, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(shown, status=status, tag=str(shown.version))


def _check_name(name: str) -> None:
    try:
        attributes.check_name(name)
    except Fault as fault:
        raise Invalid([FieldFault("path.attribute", fault.code, fault.detail)]) from fault
