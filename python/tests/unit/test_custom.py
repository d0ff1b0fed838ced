"""Classes of the team's own cross as what was registered for them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NotRequired, TypedDict

import pytest

import levada
from levada import FlatMap, Map, Message, Parser, Serializer, StreamSink, _custom, streaming_source
from levada.plan import build


class Pair(TypedDict):
    units: int
    nanos: int


class Money:
    """An amount that crosses as two integers."""

    def __init__(self, units: int, nanos: int) -> None:
        self.units, self.nanos = units, nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Tip(Money):
    pass


def text(d: Decimal) -> str:
    return str(d)


def pair(m: Money) -> Pair:
    return {"units": m.units, "nanos": m.nanos}


def money(p: Pair) -> Money:
    return Money(p["units"], p["nanos"])


class Order(TypedDict):
    id: uuid.UUID
    price: Decimal
    paid: NotRequired[Money | None]
    parts: list[Decimal]
    pair: tuple[Decimal, int]
    by: dict[str, Decimal | None]


@dataclass
class Line:
    price: Decimal
    tip: Tip | None = None


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    levada.register(Decimal, to_go=text, from_go=Decimal)
    levada.register(uuid.UUID, to_go=str, from_go=uuid.UUID)
    levada.register(Money, to_go=pair, from_go=money)
    yield
    _custom._registered.clear()  # pyright: ignore[reportPrivateUsage]


def planned(*steps: Any, of: Any = Order) -> Any:
    stream: Any = streaming_source("in", "in").apply(Parser[of]("p"))
    for step in steps:
        stream = stream.apply(step)
    return build(stream.apply(Serializer("s")).sink(StreamSink("out", "out")))


GIVEN = {
    "id": "12345678-1234-5678-1234-567812345678",
    "price": "1.10",
    "paid": {"units": 1, "nanos": 5},
    "parts": ["0.10", "1"],
    "pair": ["7", 8],
    "by": {"a": "2", "b": None},
}


def test_objects_in_and_out() -> None:
    seen: list[Order] = []

    def f(msg: Message[Order]) -> Order:
        seen.append(msg.payload)
        return msg.payload

    call = list(planned(Map("f", f)).functions.values())[-1]
    assert call(Message(GIVEN)) == GIVEN
    assert seen[0] == {
        "id": uuid.UUID(GIVEN["id"]),  # type: ignore[arg-type]
        "price": Decimal("1.10"),
        "paid": Money(1, 5),
        "parts": [Decimal("0.10"), Decimal(1)],
        "pair": (Decimal(7), 8),
        "by": {"a": Decimal(2), "b": None},
    }


def test_the_plan_has_what_stands_for_it() -> None:
    def f(msg: Message[Order]) -> Order:
        return msg.payload

    types = json.loads(planned(Map("f", f)).text)["types"]
    fields = {
        x["name"]: x["type"]
        for x in types[next(n for n in types if n.endswith(":Order"))]["fields"]
    }
    assert fields["id"] == fields["price"] == {"kind": "string"}
    assert fields["paid"]["name"].endswith(":Pair") and fields["paid"]["nullable"]
    assert fields["parts"] == {"kind": "list", "elem": {"kind": "string"}}
    assert fields["by"] == {"kind": "map", "elem": {"kind": "string", "nullable": True}}


def test_in_dataclasses_iterators_and_subclasses() -> None:
    def f(msg: Message[Line]) -> Iterator[Line]:
        yield Line(msg.payload.price * 2, Tip(1, 2))

    call = list(planned(FlatMap("f", f), of=Line).functions.values())[-1]
    assert list(call(Message({"price": "1.5"}))) == [
        {"price": "3.0", "tip": {"units": 1, "nanos": 2}}
    ]


def test_an_exception_is_that_of_the_step() -> None:
    def f(msg: Message[Order]) -> Order:
        return msg.payload

    call = list(planned(Map("f", f)).functions.values())[-1]
    with pytest.raises(ArithmeticError):
        call(Message(GIVEN | {"price": "much"}))


def test_what_can_not_be_registered() -> None:
    def says_nothing(d):  # type: ignore[no-untyped-def]
        return d

    with pytest.raises(TypeError, match="Decimal is registered already"):
        levada.register(Decimal, to_go=str, from_go=Decimal)
    levada.register(Decimal, to_go=text, from_go=Decimal)  # the same: a module imported twice
    with pytest.raises(TypeError, match="int crosses as it is"):
        levada.register(int, to_go=str, from_go=int)
    with pytest.raises(TypeError, match="Pair crosses as it is"):
        levada.register(Pair, to_go=dict, from_go=Pair)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="says what it returns"):
        levada.register(complex, to_go=says_nothing, from_go=complex)
    with pytest.raises(TypeError, match="expected a class"):
        levada.register("Decimal", to_go=str, from_go=str)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="complex: to_go: expected a type that has a layout"):
        levada.register(complex, to_go=itself, from_go=complex)


def itself(c: complex) -> complex:
    return c
