"""What the pipeline calls."""

from typing import Any, TypedDict

from levada import Message


class Loose(TypedDict):
    lines: list[str | None]


class Order(TypedDict):
    lines: list[str]


def first(message: Message[Any]) -> Loose:
    return {"lines": [None]}


def second(message: Message[Order]) -> Any:
    return message.payload
