"""The addresses of customers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.changes import events
from app.changes.schemas import EventPageSchema
from app.core.errors import FieldFault, Invalid
from app.core.faults import Fault
from app.core.syncing import Mode, Outcome
from app.customers import listing, schemas, service, syncing
from app.customers.direct import Direct
from app.customers.listing import CustomerOrder
from app.customers.record import CustomerRecord
from app.web import dump, external_keys, paging, ruled
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, Write, runtime
from app.web.ruled import Asked

blp = Blueprint("customers", __name__, url_prefix="/v1/customers", description="People and organisations")

# Any: what the schemas load.


@blp.route("")
class Customers(MethodView):
    @blp.reads(
        "list_customers",
        scope="customers:read",
        query=schemas.CustomerPageQuerySchema,
        answer=schemas.CustomerPageSchema,
        # A segment that the rule names may be broken.
        refuses=(409,),
        headers=("Link",),
    )
    def get(self, call: Read, query: dict[str, Any]) -> Answer:
        """List customers

        A customer that does not change while you page is seen exactly once, however many pages there are. To keep in step with
        changes, follow the change feed instead.
        """
        return _page(call, ruled.by_query(call, query, of="customers"))

    @blp.writes(
        "create_customer",
        scope="customers:write",
        body=schemas.CustomerCreateSchema,
        query=schemas.MatchQuerySchema,
        answer=schemas.CustomerSchema,
        status=HTTPStatus.CREATED,
        refuses=(409,),
        headers=("Location", "ETag"),
    )
    def post(self, call: Write, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Create a customer

        An external id that is taken is 409 `external_id_taken` with `existing_id`; to create or change by an external id in one
        call, PUT it. With `match`, a customer who has the same e-mail or phone is 409 `customer_exists` with all `candidates`.
        """
        record = service.create(_book(call), data=body, match=query["match"] or ())
        return _shown(record, status=HTTPStatus.CREATED)


@blp.route("/search")
class Search(MethodView):
    @blp.reads(
        "search_customers",
        scope="customers:read",
        body=schemas.CustomerSearchSchema,
        answer=schemas.CustomerPageSchema,
        refuses=(409,),
    )
    def post(self, call: Read, body: dict[str, Any]) -> Answer:
        """Search customers

        The list, asked by a body: `filter` is a rule in CQL2 JSON. For the next page send the same with `cursor`.
        """
        return _page(call, ruled.by_body(call, body, of="customers"))


@blp.route("/<id:customer_id>")
class OneCustomer(MethodView):
    @blp.reads("get_customer", scope="customers:read", answer=schemas.CustomerSchema, refuses=(404, 410), tagged=True)
    def get(self, call: Read, customer_id: UUID) -> Answer:
        """Show a customer"""
        found = service.get(call.db, customer_id=customer_id, known=call.known)
        return Answer(dumped=dump.written_or_known(found), tag=found.tag)

    @blp.writes(
        "patch_customer",
        scope="customers:write",
        body=schemas.CustomerPatchSchema,
        query=schemas.PatchQuerySchema,
        answer=schemas.CustomerSchema,
        refuses=(404, 409, 410),
        versioned=True,
    )
    def patch(self, call: Write, customer_id: UUID, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Change a customer

        A JSON merge patch: what is left out stays, `null` clears. A patch that changes nothing raises no version and makes no event.
        With `match`, another customer who has the e-mail or phone that is sent is 409 `customer_exists` with all `candidates`.
        """
        record = service.patch(
            _book(call),
            customer_id=customer_id,
            data=body,
            restore=query["deleted"] is not None,
            precondition=call.precondition,
            match=query["match"] or (),
        )
        return _shown(record)

    @blp.writes("delete_customer", scope="customers:write", answer=None, status=HTTPStatus.NO_CONTENT, refuses=(404,), versioned=True)
    def delete(self, call: Write, customer_id: UUID) -> Answer:
        """Delete a customer

        It is gone from lists and is 410 by its id, keeps its external ids, and can be restored. Deleting it again is 204 too.
        """
        service.delete(_book(call), customer_id=customer_id, precondition=call.precondition)
        return Answer()


@blp.route("/<id:customer_id>/restore")
class Restoration(MethodView):
    @blp.writes("restore_customer", scope="customers:write", answer=schemas.CustomerSchema, refuses=(404,), headers=("ETag",))
    def post(self, call: Write, customer_id: UUID) -> Answer:
        """Bring back a deleted customer

        200 too where it was not deleted.
        """
        return _shown(service.restore(_book(call), customer_id=customer_id))


@blp.route("/<id:customer_id>/changes")
class Changes(MethodView):
    @blp.reads(
        "list_customer_changes",
        scope="customers:read",
        query=schemas.ChangePageQuerySchema,
        answer=EventPageSchema,
        refuses=(404,),
        headers=("Link",),
    )
    def get(self, call: Read, customer_id: UUID, query: dict[str, Any]) -> Answer:
        """Show who changed what of a customer

        Newest first, of deleted customers too; with `segments:read` also which segments it joined and left.
        """
        here = runtime()
        after = here.cursors.read(query, call.caller)
        rows = service.list_changes(
            call.db, call.caller, customer_id=customer_id, before=(after[0], after[1]) if after else None, count=query["limit"] + 1
        )
        return paging.answer(
            rows,
            cursors=here.cursors,
            caller=call.caller,
            query=query,
            dump=lambda row: events.shown(row, here.positions.text),
            key=lambda row: (row.xid, row.id),
        )


@blp.route("/by/<source:source>/<external_id:external_id>")
class CustomerByKey(MethodView):
    @blp.reads("get_customer_by_external_id", scope="customers:read", answer=schemas.CustomerSchema, refuses=(404, 410), tagged=True)
    def get(self, call: Read, source: str, external_id: str) -> Answer:
        """Show the customer that an external id stands for"""
        found = syncing.get(call.db, key=external_keys.of_path(source, external_id), known=call.known)
        return Answer(dumped=dump.written_or_known(found), tag=found.tag)

    @blp.writes(
        "upsert_customer_by_external_id",
        scope="customers:write",
        body=schemas.CustomerPatchSchema,
        query=schemas.UpsertQuerySchema,
        answer=schemas.CustomerSchema,
        also={HTTPStatus.CREATED: "There was none; it was created."},
        refuses=(404, 409, 410),
        headers=("Location", "Kehu-Stale"),
        versioned=True,
    )
    def put(self, call: Write, source: str, external_id: str, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Create or change the customer that an external id stands for

        The call to sync with; safe to repeat, and two first calls at once make one customer. The body is a merge patch over what is
        there. Where its `source_updated_at` is older than the stored one nothing is changed and `Kehu-Stale: true` says so.

        With `match` the id is attached to the customer who has the same e-mail or phone, if there is one without an id of this source.
        Where they point at several it is 409 `ambiguous_match` with all `candidates`, and nothing is written.
        """
        synced = syncing.upsert(
            _book(call),
            key=external_keys.of_path(source, external_id),
            data=body,
            mode=Mode(query["mode"]),
            restore=query["deleted"] is not None,
            precondition=call.precondition,
            match=query["match"] or (),
        )
        answer = _shown(synced.record, status=HTTPStatus.CREATED if synced.outcome is Outcome.CREATED else HTTPStatus.OK)
        if synced.is_stale:
            answer.headers["Kehu-Stale"] = "true"
        return answer

    @blp.writes(
        "detach_external_id",
        scope="customers:write",
        answer=None,
        status=HTTPStatus.NO_CONTENT,
        refuses=(404, 410),
        versioned=True,
    )
    def delete(self, call: Write, source: str, external_id: str) -> Answer:
        """Detach an external id from its customer

        The customer stays; the id is free again.
        """
        syncing.detach(_book(call), key=external_keys.of_path(source, external_id), precondition=call.precondition)
        return Answer()


def _page(call: Read, asked: Asked) -> Answer:
    query = asked.query
    narrowed = listing.narrowed(call.db, query, asked.ruled)
    column = _column(call, query["sort"].removeprefix("-"), pointer=f"{asked.prefix}sort")
    order = CustomerOrder(column=column, descending=query["sort"].startswith("-"), after=asked.after)
    rows = listing.list_customers(call.db, narrowed=narrowed, order=order, count=query["limit"] + 1, names=asked.names)
    total = listing.count_customers(call.db, narrowed=narrowed) if query["count"] else None
    return ruled.page(call, asked, rows, rule=narrowed.rule, sort="sort_value", total=total)


def _column(call: Read, sort: str, *, pointer: str) -> Any:
    if sort in listing.SORTS:
        return listing.SORTS[sort]
    try:
        return listing.attribute_column(call.db, sort.removeprefix("attributes."))
    except Fault as fault:
        raise Invalid([FieldFault(pointer, fault.code, fault.detail)]) from fault


def _book(call: Write) -> Direct:
    return Direct(call.unit, call.caller)


def _shown(record: CustomerRecord, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    headers = {"Location": f"/v1/customers/{record.id}"} if status is HTTPStatus.CREATED else {}
    return Answer(record, status=status, tag=record.tag, headers=headers)
