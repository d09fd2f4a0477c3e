"""The addresses of who is in a segment."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.core import bulk, limits
from app.customers.schemas import CustomerPageSchema, CustomerSchema
from app.segments import belonging, exporting, members, putting, schemas
from app.segments import items as sent_items
from app.web import dump, paging
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.bulk.schemas import BatchAnswerSchema, BatchQuerySchema
from app.web.frame import Read, Write, runtime
from app.web.streams.exporting import Rows
from app.web.streams.operations import Export

blp = Blueprint("segment_members", __name__, url_prefix="/v1", description="Who is in a segment, now")

# Any: what the schemas load.


@blp.route("/segments/<id:segment_id>/members")
class Members(MethodView):
    @blp.reads(
        "list_segment_members",
        scope="segments:read",
        needs=("customers:read",),
        query=schemas.MemberPageQuerySchema,
        answer=CustomerPageSchema,
        refuses=(404, 409),
        headers=("Link",),
    )
    def get(self, call: Read, segment_id: UUID, query: dict[str, Any]) -> Answer:
        """List who is in a segment

        Evaluated now; the pages of one walk are one evaluation.
        """
        here = runtime()
        after = here.cursors.read(query, call.caller)
        page = members.list_page(
            call.db,
            here.catalogues["customers"],
            segment_id=segment_id,
            sort=query["sort"],
            after=after,
            limit=query["limit"],
            counted=query["count"] is not None,
            names=query["fields_"],
        )
        return paging.answer(
            page.rows,
            cursors=here.cursors,
            caller=call.caller,
            query=query,
            dump=dump.written,
            key=lambda row: (row.sort_value, row.id, page.now),
            total=page.total,
        )


@blp.route("/segments/<id:segment_id>/count")
class Count(MethodView):
    @blp.reads("count_segment", scope="segments:read", answer=schemas.CountSchema, refuses=(404, 409))
    def get(self, call: Read, segment_id: UUID) -> Answer:
        """Count who is in a segment

        Exact, and now: `member_count` of the segment is the worker's, true at `evaluated_at`.
        """
        return Answer(dumped={"count": members.count(call.db, runtime().catalogues["customers"], segment_id=segment_id)})


@blp.route("/segments/<id:segment_id>/export")
class MemberExport(MethodView):
    @blp.exports(
        "export_segment_members",
        scope="segments:read",
        needs=("customers:read",),
        query=schemas.MemberExportQuerySchema,
        row=CustomerSchema,
        refuses=(404, 409),
    )
    def get(self, call: Export, segment_id: UUID, query: dict[str, Any]) -> Rows:
        """Export all who are in a segment

        As of one moment, whatever is written meanwhile, and by id; the feed goes on from there with `after=` and the `Kehu-Position`.
        """
        return exporting.rows(segment_id, query)


@blp.route("/segments/<id:segment_id>/members/<id:customer_id>")
class OneMember(MethodView):
    @blp.writes(
        "put_segment_member",
        scope="segments:write",
        answer=schemas.MemberSchema,
        also={HTTPStatus.CREATED: "It was no member before."},
        refuses=(404, 410, 412),
    )
    def put(self, call: Write, segment_id: UUID, customer_id: UUID) -> Answer:
        """Put a customer into a static segment

        200 where it is in there already. The event is `segment.joined`.
        """
        member, is_new = putting.put(call.unit, call.caller, segment_id=segment_id, customer_id=customer_id, precondition=call.precondition)
        return Answer(member, status=HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @blp.writes("delete_segment_member", scope="segments:write", answer=None, status=HTTPStatus.NO_CONTENT, refuses=(404,))
    def delete(self, call: Write, segment_id: UUID, customer_id: UUID) -> Answer:
        """Take a customer out of a static segment

        204 too where it was not in there. The event is `segment.left`.
        """
        putting.remove(call.unit, call.caller, segment_id=segment_id, customer_id=customer_id)
        return Answer()


@blp.route("/segments/<id:segment_id>/members/batch")
class MemberBatch(MethodView):
    @blp.writes(
        "batch_segment_members",
        scope="segments:write",
        body=schemas.MemberBatchSchema,
        body_max_bytes=limits.BATCH_BODY_MAX_BYTES,
        query=BatchQuerySchema,
        answer=BatchAnswerSchema,
        status=HTTPStatus.MULTI_STATUS,
        refuses=(404,),
    )
    def post(self, call: Write, segment_id: UUID, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Put up to 1,000 customers into a static segment, or take them out

        Every item has a result, in order, with the status that it would have had alone; `id` is the customer's, and a membership has no
        `version`. With `atomic=true` it is all or nothing: 409 or 422 where an item is refused.
        """
        wanted = [sent_items.read(sent) for sent in body["items"]]
        results = putting.apply(call.unit, call.caller, segment_id=segment_id, items=wanted)
        if query["atomic"] == "true":
            bulk.all_or_nothing(results)
        return Answer(dumped={"results": sent_items.shown(body["items"], results, request_id=call.caller.request_id)})


@blp.route("/customers/<id:customer_id>/segments")
class OwnSegments(MethodView):
    @blp.reads("list_customer_segments", scope="segments:read", answer=schemas.OwnSegmentPageSchema, refuses=(404, 409, 410))
    def get(self, call: Read, customer_id: UUID) -> Answer:
        """List the segments that a customer is in

        Evaluated now, all at one moment.
        """
        found = belonging.list_segments(call.db, runtime().catalogues["customers"], customer_id=customer_id)
        show = dump.compiled(schemas.OwnSegmentSchema)
        return Answer(dumped={"data": [show(one) for one in found], "next_cursor": None})
