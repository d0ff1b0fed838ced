"""Functions of dataclasses and enums behave as they were written, although what
crosses the border are dicts and scalars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypedDict

import pytest

from levada import (
    Batch,
    Filter,
    FlatMap,
    Map,
    Message,
    Parser,
    Serializer,
    StreamSink,
    branch,
    streaming_source,
)
from levada.plan import build


@dataclass
class Point:
    x: int
    y: int = 0
    next: Point | None = None
    near: list[Point] = field(default_factory=list)


class Holder(TypedDict):
    name: str
    points: dict[str, Point]


class Words(TypedDict):
    words: list[Words]


class Side(Enum):
    LEFT = "left"


def function(
    parser: Parser[Any], *steps: Any, name: str | None = None
) -> Callable[[Message[Any]], Any]:
    """The last Python function as the engine gets it."""
    stream: Any = streaming_source("in", "in").apply(parser)
    for step in steps:
        stream = stream.apply(step)
    plan = build(stream.apply(Serializer("s")).sink(StreamSink("out", "out")))
    return list(plan.functions.values())[-1]


def test_typed_dicts_are_left_alone() -> None:
    def f(msg: Message[Words]) -> Words:
        return msg.payload

    assert function(Parser[Words]("p"), Map("f", f)) is f


def test_objects_in_and_out() -> None:
    def f(msg: Message[Point]) -> Point:
        assert isinstance(msg.payload, Point) and isinstance(msg.payload.next, Point)
        assert all(isinstance(p, Point) for p in msg.payload.near)
        return Point(msg.payload.x + 1, near=[msg.payload.next])

    call = function(Parser[Point]("p"), Map("f", f))
    given = {"x": 1, "next": {"x": 2}, "near": [{"x": 3, "y": 4}]}
    assert call(Message(given, key=b"k")) == {
        "x": 2,
        "y": 0,
        "next": None,
        "near": [{"x": 2, "y": 0, "next": None, "near": []}],
    }
    assert given == {"x": 1, "next": {"x": 2}, "near": [{"x": 3, "y": 4}]}


def test_a_function_without_annotations_gets_what_its_neighbour_declares() -> None:
    call = function(Parser[Point]("p"), Filter("f", lambda m: m.payload.x == 1))
    assert call(Message({"x": 1})) is True
    call = function(
        Parser[Point]("p"), Filter("f", lambda m: True), Map("g", lambda m: m.payload.x)
    )
    assert call(Message({"x": 7})) == 7
    call = function(Parser[Point]("p"), Batch("b", 2), Map("g", lambda m: [p.x for p in m.payload]))
    assert call(Message([{"x": 7}, {"x": 8}])) == [7, 8]


def test_what_a_function_returns_is_what_the_next_one_gets() -> None:
    def points(msg: Message[Holder]) -> Iterator[Point]:
        yield from msg.payload["points"].values()

    split = function(Parser[Holder]("p"), FlatMap("points", points))
    found = list(split(Message({"name": "n", "points": {"a": {"x": 1}}})))
    assert found == [{"x": 1, "y": 0, "next": None, "near": []}]
    call = function(Parser[Holder]("p"), FlatMap("points", points), Map("x", lambda m: m.payload.x))
    assert call(Message(found[0])) == 1

    def named(msg: Message[Holder]) -> str:
        return msg.payload["name"]

    def upper(msg: Message[str]) -> str:
        return msg.payload.upper()

    assert function(Parser[Holder]("p"), Map("n", named), Map("u", upper)) is upper


def test_messages_keep_their_metadata() -> None:
    def f(msg: Message[Point]) -> Message[Point]:
        return msg.with_key(b"new").with_payload(Point(9))

    out = function(Parser[Point]("p"), Map("f", f))(Message({"x": 1}, key=b"k", offset=3))
    assert (out.payload["x"], out.key, out.offset) == (9, b"new", 3)


def test_null_stays_null() -> None:
    def f(msg: Message[Point | None]) -> bool:
        return msg.payload is None

    assert function(Parser[Point | None]("p"), Filter("f", f))(Message(None)) is True


@dataclass
class Card:
    number: str
    kind: Literal["card"] = "card"


@dataclass
class Cash:
    change: list[Payment]
    kind: Literal["cash"] = "cash"


@dataclass
class Voucher:
    code: int
    note: str = ""


class Gift(TypedDict):
    giver: str
    more: Voucher


class Present(TypedDict):
    giver: str
    more: Voucher


Payment = Card | Cash | Voucher


def test_variants_are_objects_of_their_classes() -> None:
    seen: list[Payment | None] = []

    def f(msg: Message[Payment | None]) -> Payment | None:
        seen.append(msg.payload)
        return msg.payload

    call = function(Parser[Payment | None]("p"), Map("f", f))
    for value, want in (
        ({"kind": "card", "number": "7"}, Card("7")),
        ({"number": "7", "kind": "card"}, Card("7")),
        ({"code": 3}, Voucher(3)),
        ({"kind": "cash", "change": [{"code": 1, "note": "n"}]}, Cash([Voucher(1, "n")])),
        (None, None),
    ):
        out = call(Message(value))
        assert seen[-1] == want
        assert out is None or isinstance(out, dict)
    for value, text in (
        ({"kind": "gold", "number": "7"}, "got `dict` that may be none of them"),
        ({"number": "7"}, ""),
        ({"kind": 1}, "expected Card or Cash or Voucher"),
        ("card", "got `str` that may be none of them"),
    ):
        if not text:
            call(Message(value))  # only a card has a number
            continue
        with pytest.raises(ValueError, match=text):
            call(Message(value))


def test_variants_of_several_kinds() -> None:
    seen: list[Any] = []

    def f(msg: Message[list[Voucher | Gift | str | float | list[Voucher]]]) -> int:
        seen.extend(msg.payload)
        return 0

    def second(msg: Message[Voucher | Gift]) -> int:
        return 0

    call = function(Parser[Any]("p"), Map("f", f))
    call(Message([{"code": 1}, "x", 2, [{"code": 3}], {"giver": "g", "more": {"code": 4}}]))
    assert seen == [Voucher(1), "x", 2, [Voucher(3)], {"giver": "g", "more": Voucher(4)}]
    several = {"code": 1, "giver": "g", "more": {"code": 4}}
    with pytest.raises(ValueError, match="expected Voucher or Gift, got `dict` that may be 2 of"):
        function(Parser[Any]("p"), Map("f", second))(Message(several))

    def first(msg: Message[Present | Voucher]) -> int:
        seen.append(msg.payload)
        return 0

    # A dict keeps what its class does not name, so that nothing is lost as the first of two.
    function(Parser[Any]("p"), Map("f", first))(Message(several))
    assert seen[-1] == {"code": 1, "giver": "g", "more": Voucher(4)}


def test_enums_are_told_by_their_values() -> None:
    def side(msg: Message[Any]) -> Side | str:
        return Side.LEFT if msg.payload else "none"

    arm = branch("left").apply(Serializer("s")).sink(StreamSink("out", "out"))
    stream = streaming_source("in", "in").apply(Parser("p"))
    (call,) = build(stream.route("r", side, {Side.LEFT: arm})).functions.values()
    assert (call(Message(1)), call(Message(0))) == ("left", "none")
    (call,) = build(stream.route("r", side, {"left": arm})).functions.values()
    assert call is side


def test_one_function_in_two_places_is_two_where_it_gets_something_else() -> None:
    def first(msg: Message[Any]) -> Any:
        return str(msg.payload)

    stream = streaming_source("in", "in").broadcast(
        "all",
        [
            branch("a").apply(Parser[Point]("pa")).apply(Map("fa", first)).apply(Serializer("sa"))
            .sink(StreamSink("oa", "a")),
            branch("b").apply(Parser[Point]("pb")).apply(Map("fb", first)).apply(Serializer("sb"))
            .sink(StreamSink("ob", "b")),
            branch("c").apply(Parser[int]("pc")).apply(Map("fc", first)).apply(Serializer("sc"))
            .sink(StreamSink("oc", "c")),
        ],
    )  # fmt: skip
    functions = list(build(stream).functions.values())
    assert len(functions) == 2
    assert functions[1] is first
