"""The addresses of who is in a segment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.customers.schemas import CustomerPageSchema, CustomerSchema
from app.segments import members, schemas
from app.web import dump, paging
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, runtime

blp = Blueprint("segment_members", __name__, url_prefix="/v1/segments", description="Who is in a segment, now")

# Any: what the schemas load.


@blp.route("/<id:segment_id>/members")
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
        )
        return paging.answer(
            page.rows,
            cursors=here.cursors,
            caller=call.caller,
            query=query,
            dump=dump.selected(CustomerSchema, query["fields_"]),
            key=lambda row: (row.sort_value, row.id, page.now),
            total=page.total,
        )


@blp.route("/<id:segment_id>/count")
class Count(MethodView):
    @blp.reads("count_segment", scope="segments:read", answer=schemas.CountSchema, refuses=(404, 409))
    def get(self, call: Read, segment_id: UUID) -> Answer:
        """Count who is in a segment

        Exact, and now: `member_count` of the segment is the worker's, true at `evaluated_at`.
        """
        return Answer(dumped={"count": members.count(call.db, runtime().catalogues["customers"], segment_id=segment_id)})
