"""The addresses of interactions."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.contact_history import listing, schemas, service, syncing
from app.contact_history.direct import Direct
from app.contact_history.listing import EntryFilter, EntryPage, ListedEntry
from app.contact_history.record import EntryRecord
from app.core.syncing import Mode, Outcome
from app.web import dump, external_keys, ruled
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, Write
from app.web.ruled import Asked

blp = Blueprint("contact history", __name__, url_prefix="/v1", description="What was said to customers and sold to them")

# Any: what the schemas load, and columns of rows.


@blp.route("/customers/<id:customer_id>/contact-history")
class Timeline(MethodView):
    @blp.reads(
        "list_contact_history_of_customer",
        scope="history:read",
        query=schemas.TimelineQuerySchema,
        answer=schemas.ContactHistoryPageSchema,
        refuses=(404, 410),
        headers=("Link",),
    )
    def get(self, call: Read, customer_id: UUID, query: dict[str, Any]) -> Answer:
        """Show the timeline of a customer

        Newest first by the time at which it happened. What arrives while you page does not disturb the pages.
        """
        asked = ruled.by_query(call, query, of="contact_history")
        narrowed = listing.narrowed(call.db, query, asked.ruled)
        rows = listing.list_timeline(call.db, customer_id=customer_id, narrowed=narrowed, page=_wanted(asked))
        total = listing.count_timeline(call.db, customer_id=customer_id, narrowed=narrowed) if query["count"] else None
        return _page(call, asked, narrowed, rows, total)

    @blp.writes(
        "append_contact_history",
        scope="history:write",
        body=schemas.ContactHistoryCreateSchema,
        answer=schemas.ContactHistorySchema,
        status=HTTPStatus.CREATED,
        refuses=(404, 409, 410),
        headers=("Location", "ETag"),
    )
    def post(self, call: Write, customer_id: UUID, body: dict[str, Any]) -> Answer:
        """Append an interaction to the history of a customer

        The customer's metrics are true in the same moment. An external id that is taken is 409 `external_id_taken` with `existing_id`.
        """
        return _shown(service.create(Direct(call.unit, call.caller), customer_id=customer_id, data=body), status=HTTPStatus.CREATED)


@blp.route("/contact-history")
class ContactHistory(MethodView):
    @blp.reads(
        "list_contact_history",
        scope="history:read",
        query=schemas.ContactHistoryPageQuerySchema,
        answer=schemas.ContactHistoryPageSchema,
        headers=("Link",),
    )
    def get(self, call: Read, query: dict[str, Any]) -> Answer:
        """List interactions of all customers

        Newest first by the time at which they happened; those of deleted customers are not among them.
        """
        return _list(call, ruled.by_query(call, query, of="contact_history"), customer_id=query["customer_id"])


@blp.route("/contact-history/search")
class Search(MethodView):
    @blp.reads(
        "search_contact_history",
        scope="history:read",
        body=schemas.ContactHistorySearchSchema,
        answer=schemas.ContactHistoryPageSchema,
    )
    def post(self, call: Read, body: dict[str, Any]) -> Answer:
        """Search interactions of all customers

        The list, asked by a body: `filter` is a rule in CQL2 JSON. For the next page send the same with `cursor`.
        """
        return _list(call, ruled.by_body(call, body, of="contact_history"), customer_id=None)


@blp.route("/contact-history/<id:entry_id>")
class OneEntry(MethodView):
    @blp.reads("get_contact_history_entry", scope="history:read", answer=schemas.ContactHistorySchema, refuses=(404, 410), tagged=True)
    def get(self, call: Read, entry_id: UUID) -> Answer:
        """Show an interaction"""
        found = service.get(call.db, entry_id=entry_id, known=call.known)
        return Answer(dumped=dump.written_or_known(found), tag=found.tag)

    @blp.writes(
        "patch_contact_history_entry",
        scope="history:write",
        body=schemas.ContactHistoryPatchSchema,
        query=schemas.RestoreEntryQuerySchema,
        answer=schemas.ContactHistorySchema,
        refuses=(404, 409, 410),
        versioned=True,
    )
    def patch(self, call: Write, entry_id: UUID, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Correct an interaction

        A JSON merge patch. Naming another customer moves it there; the metrics of both are true in the same moment.
        """
        record = service.patch(
            Direct(call.unit, call.caller),
            entry_id=entry_id,
            data=body,
            restore=query["deleted"] is not None,
            precondition=call.precondition,
        )
        return _shown(record)

    @blp.writes(
        "delete_contact_history_entry",
        scope="history:write",
        answer=None,
        status=HTTPStatus.NO_CONTENT,
        refuses=(404, 410),
        versioned=True,
    )
    def delete(self, call: Write, entry_id: UUID) -> Answer:
        """Withdraw an interaction

        It is gone from lists and metrics and is 410 by its id, keeps its external id, and can be restored. Doing it again is 204 too.
        """
        service.delete(Direct(call.unit, call.caller), entry_id=entry_id, precondition=call.precondition)
        return Answer()


@blp.route("/contact-history/<id:entry_id>/restore")
class EntryRestoration(MethodView):
    @blp.writes(
        "restore_contact_history_entry",
        scope="history:write",
        answer=schemas.ContactHistorySchema,
        refuses=(404, 410),
        headers=("ETag",),
    )
    def post(self, call: Write, entry_id: UUID) -> Answer:
        """Bring back a withdrawn interaction

        200 too where it was not withdrawn.
        """
        return _shown(service.restore(Direct(call.unit, call.caller), entry_id=entry_id))


@blp.route("/contact-history/by/<source:source>/<external_id:external_id>")
class EntryByKey(MethodView):
    @blp.reads(
        "get_contact_history_entry_by_external_id",
        scope="history:read",
        answer=schemas.ContactHistorySchema,
        refuses=(404, 410),
        tagged=True,
    )
    def get(self, call: Read, source: str, external_id: str) -> Answer:
        """Show the interaction that an external id stands for"""
        found = syncing.get(call.db, key=external_keys.of_path(source, external_id), known=call.known)
        return Answer(dumped=dump.written_or_known(found), tag=found.tag)

    @blp.writes(
        "upsert_contact_history_entry_by_external_id",
        scope="history:write",
        body=schemas.ContactHistoryPatchSchema,
        query=schemas.UpsertEntryQuerySchema,
        answer=schemas.ContactHistorySchema,
        also={HTTPStatus.CREATED: "There was none; it was created."},
        refuses=(404, 409, 410),
        headers=("Location",),
        versioned=True,
    )
    def put(self, call: Write, source: str, external_id: str, body: dict[str, Any], query: dict[str, Any]) -> Answer:
        """Create or correct the interaction that an external id stands for

        The call to sync with; safe to repeat. The body is a merge patch over what is there; of a new one it names the kind, and the
        customer by `customer_id` or `customer`. A customer that nobody knows is 422 `customer_unknown`, or made with `create_missing`.
        """
        create_missing = query["create_missing"] == "true"
        if create_missing:
            call.caller.need("customers:write")
        synced = syncing.upsert(
            Direct(call.unit, call.caller),
            key=external_keys.of_path(source, external_id),
            data=body,
            mode=Mode(query["mode"]),
            restore=query["deleted"] is not None,
            create_missing=create_missing,
            precondition=call.precondition,
        )
        return _shown(synced.record, status=HTTPStatus.CREATED if synced.outcome is Outcome.CREATED else HTTPStatus.OK)

    @blp.writes(
        "detach_contact_history_external_id",
        scope="history:write",
        answer=None,
        status=HTTPStatus.NO_CONTENT,
        refuses=(404, 410),
        versioned=True,
    )
    def delete(self, call: Write, source: str, external_id: str) -> Answer:
        """Detach an external id from its interaction

        The interaction stays; the id is free again.
        """
        syncing.detach(Direct(call.unit, call.caller), key=external_keys.of_path(source, external_id), precondition=call.precondition)
        return Answer()


def _shown(record: EntryRecord, *, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    headers = {"Location": f"/v1/contact-history/{record.id}"} if status is HTTPStatus.CREATED else {}
    return Answer(record, status=status, tag=record.tag, headers=headers)


def _list(call: Read, asked: Asked, *, customer_id: UUID | None) -> Answer:
    query = asked.query
    narrowed = listing.narrowed(call.db, query, asked.ruled)
    rows = listing.list_entries(call.db, customer_id=customer_id, narrowed=narrowed, page=_wanted(asked))
    total = listing.count_entries(call.db, customer_id=customer_id, narrowed=narrowed) if query["count"] else None
    return _page(call, asked, narrowed, rows, total)


def _wanted(asked: Asked) -> EntryPage:
    descending = asked.query["sort"].startswith("-")
    return EntryPage(descending=descending, after=asked.after, count=asked.query["limit"] + 1, names=asked.names)


def _page(call: Read, asked: Asked, narrowed: EntryFilter, rows: Sequence[ListedEntry], total: int | None) -> Answer:
    return ruled.page(call, asked, rows, rule=narrowed.rule, sort="occurred_at", total=total)
