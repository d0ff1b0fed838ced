from dataclasses import dataclass
from typing import Literal, TypedDict

from levada import Parser, Serializer, StreamSink, branch, streaming_source


class Tags(TypedDict):
    names: set[str]


class Event(TypedDict):
    tags: list[Tags]


@dataclass
class Point:
    at: frozenset[int]


class Later(TypedDict):
    when: "Whenever"


class Keys(TypedDict):
    by_id: dict[int, str]


class Either(TypedDict):
    value: int | float


class Words(TypedDict):
    word: Literal["a", 1]


def arm(name, parser):
    return (
        branch(name)
        .apply(parser)
        .apply(Serializer(f"s_{name}"))
        .sink(StreamSink(f"o_{name}", name))
    )


pipeline = streaming_source("in", "in").broadcast(
    "all",
    [
        arm("nested", Parser[Event]("nested")),
        arm("dataclass", Parser[Point]("dataclass")),
        arm("forward", Parser[Later]("forward")),
        arm("keys", Parser[Keys]("keys")),
        arm("either", Parser[Either]("either")),
        arm("words", Parser[Words]("words")),
        arm("text", Parser["Event"]("text")),
    ],
)
