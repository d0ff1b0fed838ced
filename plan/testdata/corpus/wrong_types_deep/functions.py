"""What the pipeline calls."""

from typing import Any, TypedDict

from levada import Message


class Event(TypedDict):
    name: int


class Span(TypedDict):
    events: list[Event]


class Trace(TypedDict):
    spans: list[Span]


class Named(TypedDict):
    name: str


class NamedSpan(TypedDict):
    events: list[Named]


class NamedTrace(TypedDict):
    spans: list[NamedSpan]


def first(message: Message[Any]) -> Trace:
    return {"spans": []}


def second(message: Message[NamedTrace]) -> Any:
    return message.payload
