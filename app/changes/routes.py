"""The address of the feed."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from app.changes import events, service
from app.changes.positions import Place
from app.changes.schemas import FeedQuerySchema, FeedSchema
from app.web.answers import Answer
from app.web.api import Blueprint
from app.web.frame import Read, runtime

blp = Blueprint("changes", __name__, url_prefix="/v1/changes", description="Everything that has changed, in order")

# Any: what the schemas load.


@blp.route("")
class Feed(MethodView):
    @blp.reads("read_changes", scope="changes:read", query=FeedQuerySchema, answer=FeedSchema, refuses=(410,))
    def get(self, call: Read, query: dict[str, Any]) -> Answer:
        """Follow what has changed

        Every effective write is one event, in one total order that never changes; for each subject it is the order of its versions.
        Nothing is left out and nothing comes twice, whatever is written meanwhile. Begin without `after`, then go on from
        `next_position`; an empty page can have a new one. Only types are shown whose read scope the token has.

        A position of the database's life before a restore is 410 `position_of_earlier_life`: read everything again.
        """
        here = runtime()
        after: Place | None = here.positions.read(query["after"]) if query["after"] is not None else None
        followed = service.follow(
            call.db, call.caller, after=after, patterns=query["types"], subject=query["subject"], count=query["limit"]
        )
        shown = {
            "data": [events.shown(row, here.positions.text) for row in followed.events],
            "next_position": here.positions.text_of(followed.next_position),
        }
        return Answer(dumped=shown, nothing_yet=followed.whole and not followed.events)
