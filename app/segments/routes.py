"""The addresses of definitions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.segments import listing, schemas, service
from app.segments.listing import Shown
from app.web import dump, paging
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, Write, runtime

blp = Blueprint("segments", __name__, url_prefix="/v1/segments", description="Groups of customers, by a rule or put together by hand")

# Any: what the schemas load.


@blp.route("")
class Segments(MethodView):
    @blp.reads(
        "list_segments",
        scope="segments:read",
        query=schemas.SegmentPageQuerySchema,
        answer=schemas.SegmentPageSchema,
        headers=("Link",),
    )
    def get(self, call: Read, query: dict[str, Any]) -> Answer:
        """List segments"""
        here = runtime()
        after = here.cursors.read(query, call.caller)
        rows = listing.list_page(
            call.db,
            kind=query["kind"],
            name=query["name"],
            sort=query["sort"],
            after=(after[0], after[1]) if after else None,
            count=query["limit"] + 1,
        )
        column = query["sort"].removeprefix("-")
        return paging.answer(
            rows,
            cursors=here.cursors,
            caller=call.caller,
            query=query,
            dump=dump.compiled(schemas.SegmentSchema),
            key=lambda row: (getattr(row, column), row.id),
        )

    @blp.writes(
        "create_segment",
        scope="segments:write",
        body=schemas.SegmentCreateSchema,
        answer=schemas.SegmentSchema,
        status=HTTPStatus.CREATED,
        headers=("Location", "ETag"),
    )
    def post(self, call: Write, body: dict[str, Any]) -> Answer:
        """Create a segment

        Reads of a dynamic segment are evaluated when they are asked for, so they are right at once. `member_count` and the events
        `segment.joined` and `segment.left` come from `kehu worker`, which evaluates a new rule in the background: `filling` until then.
        """
        segment_id = service.create(call.unit, call.caller, runtime().catalogues["customers"], data=body)
        shown = listing.get(call.unit.connection, segment_id=segment_id)
        return _answer(shown, status=HTTPStatus.CREATED)


@blp.route("/<id:segment_id>")
class OneSegment(MethodView):
    @blp.reads("get_segment", scope="segments:read", answer=schemas.SegmentSchema, refuses=(404,), tagged=True)
    def get(self, call: Read, segment_id: UUID) -> Answer:
        """Show a segment"""
        return _answer(listing.get(call.db, segment_id=segment_id))

    @blp.writes(
        "patch_segment",
        scope="segments:write",
        body=schemas.SegmentPatchSchema,
        answer=schemas.SegmentSchema,
        refuses=(404,),
        versioned=True,
    )
    def patch(self, call: Write, segment_id: UUID, body: dict[str, Any]) -> Answer:
        """Change a segment

        A JSON merge patch. A rule that says the same in other words is no change; another one is evaluated anew, as are the rules of all
        segments that name this one. While one does, this one keeps its name (409 `segment_in_use`).
        """
        service.patch(
            call.unit,
            call.caller,
            runtime().catalogues["customers"],
            segment_id=segment_id,
            data=body,
            precondition=call.precondition,
        )
        return _answer(listing.get(call.unit.connection, segment_id=segment_id))

    @blp.writes("delete_segment", scope="segments:write", answer=None, status=HTTPStatus.NO_CONTENT, refuses=(404,), versioned=True)
    def delete(self, call: Write, segment_id: UUID) -> Answer:
        """Delete a segment

        For good, and its name is free. `segment.deleted` says that nobody is in it any more: there is no `segment.left` for each. One
        that the rule of another names stays (409 `segment_in_use`).
        """
        service.delete(call.unit, call.caller, segment_id=segment_id, precondition=call.precondition)
        return Answer()


def _answer(shown: Shown, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    headers = {"Location": f"/v1/segments/{shown.id}"} if status is HTTPStatus.CREATED else {}
    return Answer(shown, status=status, tag=shown.tag, headers=headers)
