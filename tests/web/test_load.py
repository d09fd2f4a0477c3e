"""Protects every body and query string: the compiled load takes, refuses and orders what marshmallow's own would, for every schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import marshmallow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from app import factory
from app.core.faults import Fault
from app.customers.schemas import CustomerCreateSchema
from app.web import fields, load
from app.web.bulk.schemas import external_id_field
from app.web.rule_fields import RuleJson
from app.web.schemas import AnswerSchema, QuerySchema, Schema

Strategy = st.SearchStrategy[Any]

# What is wrong for most fields, or is at an edge of some.
ODD = st.sampled_from(
    [
        *[None, "", " ", "x", "1", "\x00", "x" * 65, "e\u0301", True, False, 0, 1, -1, 2**63, 1.0, -0.0, [], {}, [None], [""]],
        *[["x", "x"], ["x"] * 101, {"x": 1}, {"": ""}, [{"x": 1}], {"primary": True}, [{"primary": True}] * 2, [{"country": "cn"}]],
        *[{str(number): None for number in range(201)}, [{str(number): None for number in range(201)}]],
    ]
)
NAMES = st.text("abc_.-", min_size=1, max_size=3)


class Odd(Schema):
    """What no body has yet and any might."""

    class Inner(Schema):
        name = fields.Line(3, required=True)
        whole = fields.Whole(least=0, load_default=7)

    class Hooked(Schema):
        name = fields.Line(3)

        @marshmallow.post_load
        def mark(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
            return {**data, "seen": True}

    part = fields.Part(Inner, required=True)
    other = fields.Part(Inner, allow_none=True, data_key="else", attribute="stored")
    parts = fields.Items(fields.Part(Inner, allow_none=True), least=1, most=2)
    lists = fields.Items(fields.Items(fields.Truth(allow_none=True), most=2), most=2)
    hooked = fields.Part(Hooked)
    loose = fields.Part(Inner, unknown=marshmallow.INCLUDE)
    checked = fields.Whole(validate=marshmallow.validate.Range(max=5))
    changed = fields.Line(9, pre_load=lambda value: "none" if value is None else value, post_load=str.upper)
    shown = fields.Line(9, dump_only=True)
    foreign = marshmallow.fields.List(marshmallow.fields.Integer(), load_default=list)


class Deep(Schema):
    """Defaults that are made anew, and names that are paths, are marshmallow's."""

    made = fields.Items(fields.Line(9), most=3, load_default=list)
    path = fields.Line(9, attribute="one.two")


class Texts(Schema):
    """What is taken as it is where it is plain."""

    line = fields.Line(3)
    shaped = fields.Line(3, pattern=re.compile(r"[a-z]+\Z"), shape="letters")
    cleared = fields.Line(3, allow_none=True)
    lines = fields.Items(fields.Line(3), most=3, unique=True)
    key = external_id_field()


def schemas(base: type[marshmallow.Schema] = Schema) -> Iterator[type[marshmallow.Schema]]:
    for kind in base.__subclasses__():
        yield kind
        yield from schemas(kind)


def every_schema() -> list[type[marshmallow.Schema]]:
    factory.document()
    found = {kind for kind in schemas() if kind.__module__.startswith("app.") and not issubclass(kind, AnswerSchema)}
    return sorted(found - {AnswerSchema, QuerySchema}, key=lambda kind: kind.__qualname__)


def sound(field: Any) -> Strategy:
    """Values that the field takes."""
    match field:
        case fields.Id():
            return st.uuids().map(str)
        case fields.Timestamp():
            return st.sampled_from(["2024-02-29T08:00:00Z", "2024-02-29t08:00:00.000001+08:00"])
        case fields.Date():
            return st.dates().map(str)
        case fields.Email():
            return st.sampled_from(["li@example.com", "Li.Wei+1@EXAMPLE.com", "李@例子.中国"])
        case fields.Phone():
            return st.sampled_from(["+8613812345678", "138 1234 5678", "\u202a(212) 555-0123"])
        case fields.Country():
            return st.sampled_from(["CN", "us", " Gb "])
        case fields.TimeZone():
            return st.just("Asia/Shanghai")
        case fields.Locale():
            return st.sampled_from(["zh-hans-cn", "EN"])
        case fields.Choice():
            return st.sampled_from([value for value in field.openapi["enum"] if value is not None])
        case fields.Parsed():
            # Of these each is right for one of the rest: sources, keys, numbers, types, names of fields, words.
            return st.sampled_from(["shop", "shop:1", "+8613812345678", "customer.*", "email", "李小明"]).filter(
                lambda text: takes(field, text)
            )
        case fields.QueryWhole():
            return st.just("1")
        case fields.Whole():
            return st.integers(max(field.openapi["minimum"], -3), min(field.openapi["maximum"], 5))
        case fields.Truth():
            return st.booleans()
        case marshmallow.fields.Nested():
            return members(field.schema, sound)
        case marshmallow.fields.List():
            return st.lists(sound(getattr(field, "inner", None)), min_size=1, max_size=2).filter(lambda items: takes(field, items))
        case fields.ExternalIds():
            return st.dictionaries(NAMES, st.none() | st.sampled_from(["1", "gid://x/1", "李"]), max_size=3)
        case RuleJson():
            return st.just({"op": "=", "args": [{"property": "country"}, "CN"]})
        case fields.Attributes():
            return st.dictionaries(st.sampled_from("abc"), st.none() | st.booleans() | st.integers(0, 9) | st.floats(0, 9) | st.just(["x"]))
        case marshmallow.fields.Integer():
            return st.integers(0, 9)
    raise AssertionError(f"a field that this test does not know: {field!r}")


def takes(field: Any, value: Any) -> bool:
    try:
        field.deserialize(value)
    except ValidationError:
        return False
    return True


def members(schema: Any, value_of: Callable[[Any], Strategy]) -> Strategy:
    """Objects of the schema's names in any order, each of them there or not."""
    named = {field.data_key or name: field for name, field in schema.load_fields.items()}
    values = {name: value_of(field) for name, field in named.items()}
    required = {name: values.pop(name) for name, field in named.items() if field.required}
    found = st.fixed_dictionaries(required, optional=values)
    return st.tuples(found, st.randoms(use_true_random=False)).map(_shuffled)


def _shuffled(drawn: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    found, random = drawn
    return dict(random.sample(list(found.items()), len(found)))


def any_value(field: Any) -> Strategy:
    if isinstance(field, marshmallow.fields.Nested):
        return members(field.schema, any_value) | ODD
    # A query string holds nothing but texts.
    odd = ODD.filter(lambda value: isinstance(value, str)) if isinstance(field.root, QuerySchema) else ODD
    # Mostly right, lest every object be refused for its first field.
    return st.one_of(sound(field), sound(field), sound(field), odd)


def objects(kind: type[marshmallow.Schema]) -> Strategy:
    """Bodies, most of them wrong somewhere, some with a name too many or one too few."""
    found = members(kind(), any_value)
    return st.one_of(
        members(kind(), sound),
        found,
        st.tuples(found, NAMES, ODD).map(lambda drawn: {**drawn[0], drawn[1]: drawn[2]}),
        found.map(lambda body: dict(list(body.items())[1:])),
    )


def outcome(loading: Callable[[Any], Any], data: Any) -> str:
    """What comes of it, the order of names and of faults and the types of values included."""
    try:
        return repr(loading(data))
    except ValidationError as error:
        return f"refused: {error.messages!r}"


class TestCompiled:
    @pytest.mark.parametrize("kind", [*every_schema(), Odd, Odd.Hooked, Deep], ids=lambda kind: kind.__qualname__)
    @settings(max_examples=50, deadline=None)
    @given(data=st.data())
    def test_it_loads_what_marshmallow_loads(self, kind: type[marshmallow.Schema], data: st.DataObject) -> None:
        body = data.draw(objects(kind))

        loaded = outcome(load.compiled(kind), body)

        assert loaded == outcome(kind().load, body)

    @pytest.mark.parametrize("kind", every_schema(), ids=lambda kind: kind.__qualname__)
    @settings(max_examples=20, deadline=None)
    @given(data=st.data())
    def test_what_is_sound_never_comes_to_marshmallow(self, kind: type[marshmallow.Schema], data: st.DataObject) -> None:
        body = data.draw(members(kind(), sound))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(marshmallow.Schema, "load", _no_load)
            loaded = load.compiled(kind)(body)

        assert set(loaded) >= {field.attribute or name for name, field in kind().load_fields.items() if (field.data_key or name) in body}

    @settings(max_examples=300)
    @given(name=st.sampled_from(list(Texts._declared_fields)), text=st.text("ax \t\x7f\u00a0\u00ad\u00e9\u0301", max_size=5))
    def test_a_text_is_taken_as_it_is_only_where_marshmallow_leaves_it_so(self, name: str, text: str) -> None:
        body = {name: [text] if name == "lines" else text}

        loaded = outcome(load.compiled(Texts), body)

        assert loaded == outcome(Texts().load, body)

    @pytest.mark.parametrize("data", [None, [], "x", 1, [{}]])
    def test_what_is_no_object_is_refused_as_by_marshmallow(self, data: Any) -> None:
        loaded = outcome(load.compiled(CustomerCreateSchema), data)

        assert loaded == outcome(CustomerCreateSchema().load, data)
        assert loaded.startswith("refused")

    def test_a_fault_has_no_other_behind_it(self) -> None:
        with pytest.raises(ValidationError) as caught:
            load.compiled(CustomerCreateSchema)({"country": "XX"})

        assert caught.value.__context__ is None
        assert isinstance(caught.value.messages["country"][0], Fault)  # type: ignore[call-overload,index]

    def test_every_schema_that_the_document_asks_for_is_among_them(self) -> None:
        document = factory.document()

        asked = {
            name
            for operation in _operations(document)
            for name in re.findall(r"#/components/schemas/(\w+)", str(operation.get("requestBody")))
        }
        assert asked
        assert asked - {kind.__name__.removesuffix("Schema") for kind in every_schema()} == set()


def _no_load(*_: Any, **__: Any) -> None:
    raise AssertionError("marshmallow was asked")


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values() if isinstance(operation, dict)]
