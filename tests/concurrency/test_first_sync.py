"""Protects the first sync of a customer: however many calls name its external id at once, one customer is made and none of them fails."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from flask import Flask

from tests import builders
from tests.client import make_token
from tests.faults.calls import Answer, Caller, at_once
from tests.live import LiveServer

# KEHU_TEST_SYNC_ROUNDS=20 for the long run.
ROUNDS = int(os.environ.get("KEHU_TEST_SYNC_ROUNDS", "3"))
CALLS = 100
SOURCE_AND_ID = ("shop", "gid://shopify/Customer/1")


def upsert(caller: Caller, number: int) -> Answer:
    return caller.send("PUT", f"/v1/customers/by/{SOURCE_AND_ID[0]}/{SOURCE_AND_ID[1]}", {"owner": f"put {number}"})


def create(caller: Caller, number: int) -> Answer:
    return caller.post({"external_ids": dict([SOURCE_AND_ID]), "owner": f"post {number}"})


class TestFirstSync:
    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_100_first_syncs_at_once_make_one_customer(self, app: Flask, live: LiveServer, number: int) -> None:
        caller = Caller(live, make_token(app, "*"))

        answers = at_once(*[lambda i=i: create(caller, i) if i % 4 == number % 4 else upsert(caller, i) for i in range(CALLS)])

        statuses = Counter(answer.status for answer in answers)
        # One makes it; of the others each PUT changes it, each POST hears whose the id is.
        assert statuses[201] == 1
        assert statuses == {201: 1, 200: statuses[200], 409: CALLS - 1 - statuses[200]}
        assert {answer.code for answer in answers if answer.status == 409} == {"external_id_taken"}
        ids = {answer.body["existing_id"] if answer.status == 409 else answer.body["id"] for answer in answers}
        rows = builders.rows(app, "SELECT id::text, version, external_ids FROM customers")
        assert [(row.id, row.external_ids) for row in rows] == [(*ids, dict([SOURCE_AND_ID]))]
        assert rows[0].version == 1 + statuses[200]
        assert builders.events(app) == ["customer.created"] + ["customer.updated"] * statuses[200]
        assert [row[0] for row in builders.rows(app, "SELECT customer_id::text FROM customer_keys")] == list(ids)
