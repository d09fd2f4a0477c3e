"""Protects the bytes of every answer: the compiled dump writes what marshmallow's own would, for every schema and every row."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import marshmallow
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import factory
from app.web import dump, fields
from app.web.schemas import AnswerSchema, ProblemSchema

Strategy = st.SearchStrategy[Any]

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
WHOLE = st.integers(-(2**63), 2**63 - 1)
# As the driver gives them: aware, and in UTC, since the connection's zone is.
TIMES = st.datetimes(timezones=st.sampled_from((UTC, zoneinfo.ZoneInfo("UTC"))))
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


MOMENT = datetime(2024, 2, 29, 8, 0, 0, 1, tzinfo=UTC)


class Odd(AnswerSchema):
    """What no answer has yet and any might: null in every place, and lists in lists."""

    class Inner(AnswerSchema):
        name = fields.Parsed(str, allow_none=True)
        truths = marshmallow.fields.List(fields.Truth(allow_none=True), allow_none=True)

    parts = marshmallow.fields.List(fields.Part(Inner, allow_none=True), allow_none=True)
    lists = marshmallow.fields.List(marshmallow.fields.List(fields.Part(Inner)))
    part = fields.Part(Inner, allow_none=True, attribute="stored_part")
    here = fields.SameRow(Inner)


def schemas(base: type[marshmallow.Schema] = AnswerSchema) -> Iterator[type[marshmallow.Schema]]:
    for kind in base.__subclasses__():
        yield kind
        yield from schemas(kind)


def every_schema() -> list[type[marshmallow.Schema]]:
    # Only described, never dumped: `app.web.problems` writes it.
    return sorted({kind for kind in schemas() if kind is not ProblemSchema}, key=lambda kind: kind.__qualname__)


def value_of(field: Any, *, in_row: bool) -> Strategy:
    """What the field is dumped from: values as the driver gives them in a row, as jsonb has them in a part of it."""
    found = _value_of(field, in_row=in_row)
    return st.none() | found if field.allow_none else found


def _value_of(field: Any, *, in_row: bool) -> Strategy:
    match field:
        case fields.Id():
            return st.uuids() if in_row else st.uuids().map(str)
        case fields.Timestamp():
            return TIMES
        case fields.Date():
            return st.dates()
        case fields.Parsed():
            return TEXT
        case fields.Whole():
            return WHOLE
        case fields.Truth():
            return st.booleans()
        case marshmallow.fields.List(inner=fields.Written()):
            # Of its own kind, perhaps, without an end.
            return st.lists(st.dictionaries(TEXT, JSON, max_size=2), max_size=2)
        case marshmallow.fields.Nested():
            return st.fixed_dictionaries(members(field.schema, in_row=False))
        case marshmallow.fields.List():
            return st.lists(value_of(field.inner, in_row=in_row), max_size=3)
        case marshmallow.fields.Dict():
            return st.dictionaries(TEXT, TEXT if field.value_field else JSON, max_size=3)
        case marshmallow.fields.Raw():
            return JSON
    raise AssertionError(f"a field that this test does not know: {field!r}")


def members(schema: Any, *, in_row: bool) -> dict[str, Strategy]:
    """Each value that the schema reads of one row, by the name under which it reads it."""
    found: dict[str, Strategy] = {}
    for name, field in schema.dump_fields.items():
        if isinstance(field, fields.SameRow):
            found |= members(field.schema, in_row=in_row)
        else:
            found[field.attribute or name] = value_of(field, in_row=in_row)
    return found


def rows(kind: type[marshmallow.Schema]) -> Strategy:
    return st.fixed_dictionaries(members(kind(), in_row=True)).map(lambda values: SimpleNamespace(**values))


def written(kind: type[marshmallow.Schema], row: SimpleNamespace) -> SimpleNamespace:
    """The row as the service has it: what the database wrote as JSON is bytes."""
    values = dict(vars(row))
    for name, field in kind().dump_fields.items():
        source = field.attribute or name
        if isinstance(field, fields.Written):
            values[source] = orjson.Fragment(orjson.dumps(values[source]))
    return SimpleNamespace(**values)


class TestCompiled:
    @pytest.mark.parametrize("kind", every_schema(), ids=lambda kind: kind.__qualname__)
    @settings(max_examples=20, deadline=None)
    @given(data=st.data())
    def test_it_writes_what_marshmallow_writes(self, kind: type[Any], data: st.DataObject) -> None:
        row = data.draw(rows(kind))

        told = orjson.loads(dump.to_bytes(dump.compiled(kind)(written(kind, row))))

        assert told == orjson.loads(dump.to_bytes(kind().dump(row)))

    def test_every_schema_that_the_document_answers_with_is_among_them(self) -> None:
        document = factory.document()

        answers = set(re.findall(r"#/components/schemas/(\w+)", str(_successes(document))))
        assert answers
        assert answers - {kind.__name__.removesuffix("Schema") for kind in every_schema()} == set()


class TestBytes:
    def test_times_are_utc_ending_in_z_with_their_microseconds(self) -> None:
        assert dump.to_bytes(MOMENT) == b'"2024-02-29T08:00:00.000001Z"'

    def test_ids_and_dates_are_text(self) -> None:
        assert dump.to_bytes([UUID(int=7), MOMENT.date()]) == b'["00000000-0000-0000-0000-000000000007","2024-02-29"]'


def _successes(document: dict[str, Any]) -> list[Any]:
    return [
        response
        for operations in document["paths"].values()
        for operation in operations.values()
        if isinstance(operation, dict)
        for status, response in operation["responses"].items()
        if status.startswith("2")
    ]
