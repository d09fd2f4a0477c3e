"""Protects what the worker costs when nothing happens: what it asks all the time is a look at the end of the log, however long that is."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import TextClause, text

from app.segments import measuring
from app.segments.worker import lanes
from tests.builders import database

LOG = """
INSERT INTO events (event_id, type, subject, actor, request_id, time, data)
SELECT gen_random_uuid(), 'token.rotated', 'tokens/x', '{}', 'r', now(), '{}' FROM generate_series(1, 20000)
"""
AT_THE_END = "UPDATE segment_lanes SET (xid, event_id) = (SELECT xid, id FROM events ORDER BY xid DESC, id DESC LIMIT 1)"


class TestIdle:
    @pytest.mark.parametrize("asked", [lanes._IS_BEHIND, measuring._MEASURE], ids=["is behind", "measures"])
    def test_the_log_is_not_read_from_its_beginning(self, app: Flask, asked: TextClause) -> None:
        with database(app) as connection:
            connection.execute(text(LOG))
            connection.execute(text(AT_THE_END))
            connection.execute(text("ANALYZE events"))

            plan = "\n".join(connection.execute(text(f"EXPLAIN {asked.text}")).scalars())

        assert "pk_events" in plan
        assert "Seq Scan on events" not in plan
