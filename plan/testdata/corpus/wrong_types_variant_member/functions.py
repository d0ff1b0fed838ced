"""What the pipeline calls."""

from typing import Any, Literal, TypedDict

from levada import Message


class Card(TypedDict):
    kind: Literal["card"]
    number: str


class OldCard(TypedDict):
    kind: Literal["card"]
    number: int


class Cash(TypedDict):
    kind: Literal["cash"]


def first(message: Message[Any]) -> list[Card | Cash]:
    return []


def second(message: Message[list[Cash | OldCard]]) -> Any:
    return message.payload
