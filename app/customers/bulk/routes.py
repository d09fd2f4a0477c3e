"""The addresses of many customers in one call."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask.views import MethodView

from app.core import limits
from app.customers.bulk import exporting, items, schemas, service
from app.customers.bulk.importing import Customers
from app.customers.schemas import CustomerSchema
from app.web import dump
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.bulk import batches
from app.web.bulk import importing as imports
from app.web.bulk.schemas import BatchAnswerSchema
from app.web.frame import Read, Write
from app.web.streams.exporting import Rows
from app.web.streams.lines import Apply
from app.web.streams.operations import Export, Import

blp = Blueprint("customers_in_bulk", __name__, url_prefix="/v1/customers", description="Many customers in one call")

# Any: what the schemas load.


@blp.route("/batch")
class Batch(MethodView):
    @blp.writes(
        "batch_customers",
        scope="customers:write",
        body=schemas.CustomerBatchSchema,
        body_max_bytes=limits.BATCH_BODY_MAX_BYTES,
        query=schemas.CustomerBatchQuerySchema,
        answer=BatchAnswerSchema,
        status=HTTPStatus.MULTI_STATUS,
    )
    def post(self, call: Write, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Write up to 1,000 customers

        Every item has a result, in order, with the status that it would have had alone; one that is refused leaves the others as they
        are, and a later one sees an earlier one. With `atomic=true` it is all or nothing: 409 or 422 where an item is refused.
        """
        restore = query["deleted"] is not None
        return batches.answer(
            call,
            body,
            query,
            schema=items.ITEM,
            make=items.of_batch,
            apply=lambda wanted: service.apply(call.unit, call.caller, items=wanted, restore=restore),
        )


@blp.route("/lookup")
class Lookup(MethodView):
    @blp.reads(
        "look_up_customers",
        scope="customers:read",
        body=schemas.CustomerLookupSchema,
        body_max_bytes=limits.BATCH_BODY_MAX_BYTES,
        answer=schemas.CustomerLookupAnswerSchema,
    )
    def post(self, call: Read, body: dict[str, Any]) -> Answer:
        """Show up to 1,000 customers by their ids

        In the order asked for; `null` where there is none, or it is deleted.
        """
        wanted: list[Any] = [items.key_of_lookup(sent, pointer=f"/items/{index}") for index, sent in enumerate(body["items"])]
        found = service.look_up(call.db, wanted=wanted)
        show = dump.compiled(CustomerSchema)
        return Answer(dumped={"data": [None if record is None else show(record) for record in found]})


@blp.route("/import")
class CustomerImport(MethodView):
    @blp.imports(
        "import_customers",
        scope="customers:write",
        line=schemas.CustomerImportLineSchema,
        query=schemas.CustomerImportQuerySchema,
    )
    def post(self, call: Import, query: dict[str, Any]) -> Apply:
        """Create or change any number of customers

        A customer a line, as NDJSON or CSV, with `source` and `external_id`; each is upserted as `PUT .../by/{source}/{external_id}`
        does. Lines are written by the thousand, and each has its result as soon as it is there for good. Sending the same again is
        safe, and fast: what has not changed is not written.

        An empty cell of CSV leaves the field as it is; one in a column `attributes.<name>` is read by the type that the attribute is
        defined with (a list is `["a","b"]`), and is text where it is not defined. Results come while the body is still being sent; a
        client that reads only afterwards gets them all the same.
        """
        return imports.Writer(call, query, Customers(query))


@blp.route("/export")
class CustomerExport(MethodView):
    @blp.exports("export_customers", scope="customers:read", query=schemas.CustomerExportQuerySchema, row=CustomerSchema, refuses=(409,))
    def get(self, call: Export, query: dict[str, Any]) -> Rows:
        """Export all customers that a filter finds

        As of one moment, whatever is written meanwhile; the feed goes on from there with `after=` and the `Kehu-Position`. By id. As CSV
        it opens safely in spreadsheets: a cell that begins like a formula has an apostrophe before it.
        """
        return exporting.rows(query)
