"""Values that cross as text: what is made of it, and what is refused."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levada import Message
from levada._crossing import CARRIER, Conversion, Misfit, conversion, converters

WORDS = ("json", "msgpack")
Typed = tuple[dict[str, Any], Any]
"""A type of the plan, and a value of it."""


def both(word: str, t: dict[str, Any], **types: Any) -> Conversion:
    return conversion({"word": word, "type": t, "types": types}, None)


def through(word: str, t: dict[str, Any], value: Any) -> Any:
    c = both(word, t)
    assert c.read is not None and c.write is not None
    text = c.write(value)
    assert text is not None
    return c.read(text)


def alike(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return bool(a == b) or (a != a and b != b)


texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
    min_value=datetime(2, 1, 1),
    max_value=datetime(9998, 12, 31),
)
# What has a unit is a number, of which MessagePack has as many digits as a double.
recent = st.datetimes(
    timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)
)
spans = st.timedeltas(timedelta(days=-100), timedelta(days=100))
floats = st.floats(allow_nan=False, allow_infinity=False)


def scalars() -> st.SearchStrategy[Typed]:
    def of(t: dict[str, Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Typed]:
        return values.map(lambda v: (t, v))

    ints = [
        of({"kind": f"{sign}int{bits}"}, st.integers(low, high))
        for bits in (8, 16, 32, 64)
        for sign, low, high in (
            ("", -(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            ("u", 0, (1 << bits) - 1),
        )
    ]
    units = [of({"kind": "duration", "unit": u}, spans) for u in ("s", "ms", "us")]
    unix = [of({"kind": "time", "unit": f"unix{u}"}, recent) for u in ("", "_ms", "_us", "_ns")]
    return st.one_of(
        of({"kind": "bool"}, st.booleans()),
        of({"kind": "float64"}, floats),
        of({"kind": "float32"}, st.floats(width=32, allow_nan=False, allow_infinity=False)),
        of({"kind": "string"}, texts),
        of({"kind": "bytes"}, st.binary()),
        of({"kind": "time"}, times),
        of({"kind": "duration"}, spans),
        of({"kind": "any"}, st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1)),
        *ints,
        *units,
        *unix,
    )


@st.composite
def structs(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    members = draw(st.dictionaries(texts, st.tuples(inner, st.booleans(), st.booleans())))
    fields: list[dict[str, Any]] = []
    value: dict[str, Any] = {}
    for name, ((t, v), optional, there) in members.items():
        fields.append({"name": name, "type": t, "optional": optional})
        if there or not optional:
            value[name] = v
    extra = draw(st.booleans())
    if extra:
        others = draw(st.dictionaries(texts, st.integers(-9, 9) | texts | st.lists(st.booleans())))
        value |= {k: v for k, v in others.items() if k not in members}
    return {"kind": "struct", "fields": fields, "extra": extra}, value


@st.composite
def nullable(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    t, v = draw(inner)
    if t["kind"] == "any":
        return t, v
    return {**t, "nullable": True}, draw(st.sampled_from([None, v]))


def several(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        structs(inner),
        nullable(inner),
        inner.map(lambda x: ({"kind": "list", "elem": x[0]}, [x[1]] * 2)),
        inner.map(lambda x: ({"kind": "map", "elem": x[0]}, {"a": x[1], "": x[1]})),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda xs: ({"kind": "tuple", "elems": [t for t, _ in xs]}, tuple(v for _, v in xs))
        ),
    )


typed = st.recursive(scalars(), several, max_leaves=8)


@pytest.mark.parametrize("word", WORDS)
@given(typed)
def test_a_value_comes_back(word: str, what: Typed) -> None:
    t, value = what
    assert alike(through(word, t, value), value)


@given(typed)
def test_all_ways_read_the_same(what: Typed) -> None:
    t, value = what
    assert alike(through("json", t, value), through("msgpack", t, value))


NODE = {
    "kind": "struct",
    "fields": [
        {"name": "at", "type": {"kind": "time"}},
        {"name": "down", "type": {"kind": "ref", "name": "Node", "nullable": True}},
    ],
}


@pytest.mark.parametrize("word", WORDS)
def test_a_type_may_contain_itself(word: str) -> None:
    c = both(word, {"kind": "ref", "name": "Node"}, Node=NODE)
    assert c.read is not None and c.write is not None
    value = {"at": datetime(2026, 1, 2, tzinfo=UTC), "down": None}
    value = {"at": datetime(2026, 1, 3, 4, 5, 6, 7, tzinfo=UTC), "down": value}
    text = c.write(value)
    assert text is not None
    assert c.read(text) == value


SHAPE = {
    "kind": "union",
    "elems": [{"kind": "ref", "name": "go:x.Circle"}, {"kind": "ref", "name": "go:x.Words"}],
}
CIRCLE = {
    "kind": "struct",
    "fields": [
        {"name": "kind", "type": {"kind": "string"}, "const": '"circle"'},
        {"name": "since", "type": {"kind": "duration"}},
    ],
}


@pytest.mark.parametrize("word", WORDS)
def test_unions(word: str) -> None:
    types = {"go:x.Circle": CIRCLE, "go:x.Words": {"kind": "string"}}
    c = both(word, {"kind": "list", "elem": SHAPE}, **types)
    assert c.read is not None and c.write is not None
    value = [{"kind": "circle", "since": timedelta(seconds=1.5)}, "words"]
    text = c.write(value)
    assert text is not None
    assert c.read(text) == value
    with pytest.raises(Misfit, match=r"expected Circle or Words, got `int` .* at `\$\[0\]`"):
        c.write([1])


def test_what_json_has_nothing_for() -> None:
    """Without a type there is what JSON has; MessagePack keeps bytes and times."""
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    value = {"at": at, "data": b"\0\1", "wait": timedelta(milliseconds=1.5)}
    assert through("json", {"kind": "any"}, value) == {
        "at": "2026-03-02T10:00:00Z",
        "data": "AAE=",
        "wait": 1.5,
    }
    assert through("msgpack", {"kind": "any"}, value) == {"at": at, "data": b"\0\1", "wait": 1.5}
    assert math.isnan(through("msgpack", {"kind": "float64"}, math.nan))
    with pytest.raises(Misfit, match="expected a number that JSON has, got nan"):
        through("json", {"kind": "float64"}, math.nan)


LINE = {
    "kind": "struct",
    "fields": [
        {"name": "qty", "type": {"kind": "uint8"}},
        {"name": "note", "type": {"kind": "string"}, "optional": True},
        {"name": "kind", "type": {"kind": "string"}, "optional": True, "const": '"line"'},
    ],
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"qty": 256}, "expected `int` of uint8, got 256 - at `$.lines[0].qty`"),
        ({"qty": -1}, "expected `int` of uint8, got -1 - at `$.lines[0].qty`"),
        ({"qty": True}, "expected `int`, got `bool` - at `$.lines[0].qty`"),
        ({"qty": 1.0}, "expected `int`, got `float` - at `$.lines[0].qty`"),
        ({"qty": None}, "expected `int`, got `None` - at `$.lines[0].qty`"),
        ({}, "missing member `qty` - at `$.lines[0]`"),
        ({"qty": 1, "note": None}, "expected `str`, got `None` - at `$.lines[0].note`"),
        ({"qty": 1, "note": b"x"}, "expected `str`, got `bytes` - at `$.lines[0].note`"),
        ({"qty": 1, "kind": "row"}, "expected `'line'`, got `'row'` - at `$.lines[0].kind`"),
        (None, "expected `dict`, got `None` - at `$.lines[0]`"),
        ([], "expected `dict`, got `list` - at `$.lines[0]`"),
    ],
)
def test_what_does_not_fit_says_where(word: str, value: Any, says: str) -> None:
    t = {"kind": "map", "elem": {"kind": "list", "elem": LINE}}
    with pytest.raises(Misfit) as e:
        through(word, t, {"lines": [value]})
    assert str(e.value) == f"returned value: {says}"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({1: 2}, "expected keys of `str`, got one of `int`"),
        (1 << 64, "expected `int` of 64 bits, got 18446744073709551616"),
        (10**41, "expected `int` of 64 bits, got a larger one"),
        (datetime(2026, 1, 1), "expected `datetime` with a time zone, got one without"),
        ("\ud800", "expected `str` of whole characters, got one with a lone surrogate"),
        ({1, 2}, "got `set`"),
    ],
)
@pytest.mark.parametrize("word", WORDS)
def test_what_no_value_can_be(word: str, value: Any, says: str) -> None:
    with pytest.raises(Misfit) as e:
        through(word, {"kind": "any"}, value)
    assert says in str(e.value)


@pytest.mark.parametrize("text", [b"", b"\xc1", b"\x92\x01", b"\x01\x01", b"\xd4\x05\x00", b"\xd9"])
def test_what_is_no_message(text: bytes) -> None:
    c = both("msgpack", {"kind": "any"})
    assert c.read is not None
    with pytest.raises(ValueError, match="msgpack: "):
        c.read(text)


# --- the function that the engine calls


class Sealed:
    """A class as protobuf generates them, of which only the bytes are known."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @classmethod
    def FromString(cls, data: bytes) -> Sealed:
        return cls(data)

    def SerializeToString(self) -> bytes:
        return self.data


def carried(function: Callable[[Any], Any], kind: str, word: str, *sides: str) -> Any:
    functions = converters({"py:m:f": function})
    told = {"word": word, "type": {"kind": "time"}, "types": {}}
    wish = {"function": "py:m:f", "kind": kind, **dict.fromkeys(sides, told)}
    return functions[CARRIER](Message(json.dumps(wish).encode()))


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_function_gets_and_returns_values() -> None:
    def later(msg: Message[datetime]) -> datetime:
        return msg.payload + timedelta(hours=1)

    f = carried(later, "map", "json", "in", "out")
    assert f(Message(b'"2026-01-01T12:00:00Z"')) == b'"2026-01-01T13:00:00Z"'
    assert carried(later, "map", "json", "in")(Message(b'"2026-01-01T12:00:00Z"')).hour == 13
    assert carried(later, "map", "json", "out")(Message(NOON)) == b'"2026-01-01T13:00:00Z"'


def test_a_message_keeps_what_else_it_has() -> None:
    def keyed(msg: Message[datetime]) -> Message[datetime]:
        return msg.with_key(b"k")

    f = carried(keyed, "map", "json", "in", "out")
    got = f(Message(b'"2026-01-01T12:00:00Z"', headers=[("h", b"v")]))
    assert got == Message(b'"2026-01-01T12:00:00Z"', key=b"k", headers=[("h", b"v")])


def test_a_flat_map_gives_one_text_for_each() -> None:
    def twice(msg: Message[datetime]) -> Iterator[datetime]:
        yield msg.payload
        yield msg.payload

    f = carried(twice, "flat_map", "json", "in", "out")
    assert list(f(Message(b'"2026-01-01T12:00:00Z"'))) == [b'"2026-01-01T12:00:00Z"'] * 2
    # What is none is for the engine to refuse.
    assert carried(lambda _: None, "flat_map", "json", "out")(Message(NOON)) is None


def test_messages_of_protobuf() -> None:
    def same(msg: Message[Sealed]) -> Sealed:
        assert type(msg.payload) is Sealed
        return msg.payload

    assert carried(same, "map", "protobuf", "in", "out")(Message(b"\x08\x01")) == b"\x08\x01"

    def plain(msg: Message[bytes]) -> bytes:
        return msg.payload

    assert carried(plain, "map", "protobuf", "in", "out")(Message(b"\x08\x01")) == b"\x08\x01"


def test_single_floats_have_their_own_digits() -> None:
    (tenth,) = struct.unpack("<f", struct.pack("<f", 0.1))
    c = both("json", {"kind": "float32"})
    assert c.read is not None
    assert c.read(b"0.1") == tenth
