"""The addresses of many interactions in one call."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask.views import MethodView

from app.contact_history.bulk import exporting, items, schemas, service
from app.contact_history.bulk.importing import Entries
from app.contact_history.bulk.service import How
from app.contact_history.schemas import ContactHistorySchema
from app.core import limits
from app.core.caller import Caller
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.bulk import batches, importing
from app.web.bulk.schemas import BatchAnswerSchema
from app.web.frame import Write
from app.web.streams.exporting import Rows
from app.web.streams.lines import Apply
from app.web.streams.operations import Export, Import

blp = Blueprint("contact_history_in_bulk", __name__, url_prefix="/v1/contact-history", description="Many interactions in one call")

# Any: what the schemas load.


@blp.route("/batch")
class Batch(MethodView):
    @blp.writes(
        "batch_contact_history",
        scope="history:write",
        body=schemas.ContactHistoryBatchSchema,
        body_max_bytes=limits.BATCH_BODY_MAX_BYTES,
        query=schemas.ContactHistoryBatchQuerySchema,
        answer=BatchAnswerSchema,
        status=HTTPStatus.MULTI_STATUS,
    )
    def post(self, call: Write, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Write up to 1,000 interactions

        Every item has a result, in order, with the status that it would have had alone; one that is refused leaves the others as they
        are, and a later one sees an earlier one. With `atomic=true` it is all or nothing: 409 or 422 where an item is refused.

        The metrics of every customer are true in the same moment, and change at most once.
        """
        _check_scope(call.caller, query)
        how = How(restore=query["deleted"] is not None, create_missing=query["create_missing"] == "true")
        return batches.answer(
            call,
            body,
            query,
            schema=items.ITEM,
            make=items.of_batch,
            apply=lambda wanted: service.apply(call.unit, call.caller, items=wanted, how=how),
        )


@blp.route("/import")
class ContactHistoryImport(MethodView):
    @blp.imports(
        "import_contact_history",
        scope="history:write",
        line=schemas.ContactHistoryImportLineSchema,
        query=schemas.ContactHistoryImportQuerySchema,
    )
    def post(self, call: Import, query: dict[str, Any]) -> Apply:
        """Create or correct any number of interactions

        An interaction a line, as NDJSON or CSV, with `source` and `external_id`; each is upserted as `PUT .../by/{source}/{external_id}`
        does, with `create_missing` too. Lines are written by the thousand, together with the metrics of their customers, and each has
        its result as soon as it is there for good. Sending the same again is safe, and fast: what has not changed is not written.

        An empty cell of CSV leaves the field as it is; the customer has the columns `customer_id`, or `customer.source` and
        `customer.external_id`.
        """
        _check_scope(call.caller, query)
        return importing.Writer(call, query, Entries(query))


@blp.route("/export")
class ContactHistoryExport(MethodView):
    @blp.exports("export_contact_history", scope="history:read", query=schemas.ContactHistoryExportQuerySchema, row=ContactHistorySchema)
    def get(self, call: Export, query: dict[str, Any]) -> Rows:
        """Export all interactions that a filter finds

        As of one moment, whatever is written meanwhile; the feed goes on from there with `after=` and the `Kehu-Position`. By id; those
        of deleted customers are not among them. As CSV it opens safely in spreadsheets: a cell that begins like a formula has an
        apostrophe before it.
        """
        return exporting.rows(query)


def _check_scope(caller: Caller, query: dict[str, Any]) -> None:
    if query["create_missing"] == "true":
        caller.need("customers:write")
