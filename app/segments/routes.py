"""The addresses of definitions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.segments import explaining, listing, previewing, ruling, schemas, service
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


@blp.route("/preview")
class Preview(MethodView):
    @blp.reads(
        "preview_segment",
        scope="segments:read",
        needs=("customers:read",),
        body=schemas.SegmentPreviewSchema,
        answer=schemas.PreviewSchema,
        refuses=(409,),
    )
    def post(self, call: Read, body: dict[str, Any]) -> Answer:
        """Show what a rule would find

        Nothing is saved. With `segment_id` also how many would come to that segment and go from it, if it had this rule.
        """
        sent = ruling.only(body)
        found = previewing.preview(call.db, runtime().catalogues["customers"], sent=sent, segment_id=body["segment_id"])
        counts = {"count": found.count, "joined": found.joined, "left": found.left}
        return Answer(dumped={**counts, "sample": [dump.written(row) for row in found.sample]})


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


@blp.route("/<id:segment_id>/explain")
class Explanation(MethodView):
    @blp.reads(
        "explain_segment",
        scope="segments:read",
        needs=("customers:read",),
        query=schemas.ExplainQuerySchema,
        answer=schemas.ExplanationSchema,
        refuses=(404, 409, 410),
    )
    def get(self, call: Read, segment_id: UUID, query: dict[str, Any]) -> Answer:
        """Explain why a customer is in a segment, or is not

        Each clause of the rule, and of the rules of segments that it names, with the customer's own values and whether it passes, now.
        """
        catalogue, customer_id = runtime().catalogues["customers"], query["customer_id"]
        found = explaining.explain(call.db, catalogue, segment_id=segment_id, customer_id=customer_id)
        told = {"passed": found.passed, "evaluated_at": found.evaluated_at, "clause": found.clause}
        return Answer(dumped={"segment_id": segment_id, "customer_id": customer_id, **told})


def _answer(shown: Shown, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    headers = {"Location": f"/v1/segments/{shown.id}"} if status is HTTPStatus.CREATED else {}
    return Answer(shown, status=status, tag=shown.tag, headers=headers)
